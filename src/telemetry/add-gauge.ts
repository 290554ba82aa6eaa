import { Gauge, type Registry } from 'prom-client'

/** A gauge without labels whose value is asked for at each scrape. */
export function addGauge(
  registry: Registry,
  name: string,
  help: string,
  value: () => number,
): void {
  void new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(value())
    },
  })
}
