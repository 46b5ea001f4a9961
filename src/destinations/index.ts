/** Destinations: one file each behind one interface. */
export type { Destination, DestinationTrouble } from './destination.js';
export { ftpsDestination } from './ftps.js';
