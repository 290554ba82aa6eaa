/** Images of one request. Gateways refuse more by their place, engines are started with the same bound. */
export const maxImages = 16
