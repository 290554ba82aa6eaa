# One image for every command of `loraplex`. Built on any Debian that has Node and npm; what ships has neither npm nor a
# shell: Node as the lockfile pins it, the libraries it is linked against, the compiled sources and what they import.
ARG BUILD_IMAGE=docker.io/library/node:24-bookworm-slim
FROM ${BUILD_IMAGE} AS build

# For registries of one's own and for builds from npm's cache alone; npm reads them from the environment.
ARG NPM_CONFIG_REGISTRY
ARG NPM_CONFIG_OFFLINE=false

WORKDIR /app
COPY package.json package-lock.json .npmrc LICENSE ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY bin/container.cjs bin/
COPY src src
RUN node node_modules/typescript/bin/tsc -p tsconfig.build.json

# The root of the image: nothing is in it that is not named here.
WORKDIR /image
RUN mkdir -p app etc usr/local/bin home/nonroot \
  && install -d -m 1777 tmp \
  && mv /app/node_modules/node-linux-*/bin/node usr/local/bin/node \
  && ldd usr/local/bin/node | grep -o '/[^ ]*' | xargs cp --parents --dereference --target-directory=. \
  && ln -s /app/bin/container.cjs usr/local/bin/loraplex \
  && echo 'nonroot:x:65532:65532::/home/nonroot:' > etc/passwd \
  && echo 'nonroot:x:65532:' > etc/group \
  && echo 'hosts: files dns' > etc/nsswitch.conf \
  && chown 65532:65532 home/nonroot
RUN cd /app && npm prune --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund \
  && mv package.json LICENSE bin dist node_modules /image/app/ \
  && find /image/app -name '*.d.ts' -delete

FROM scratch
LABEL org.opencontainers.image.title=loraplex org.opencontainers.image.licenses=Apache-2.0
COPY --from=build /image /
ENV NODE_ENV=production PATH=/usr/local/bin HOME=/home/nonroot
USER 65532:65532
ENTRYPOINT ["loraplex"]
