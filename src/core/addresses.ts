import { BlockList, isIP } from 'node:net';

/** An IPv4 address that a dual-stack socket tells as ::ffff:a.b.c.d, as it is written; others as they are. */
export function plainAddress(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}

/** Whether the text is a network in CIDR notation (RFC 4632, RFC 4291 2.3). */
export function isNetwork(text: string): boolean {
  const [, address = '', bits = ''] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const family = isIP(address);
  return family !== 0 && Number(bits) <= (family === 4 ? 32 : 128);
}

/** A set of addresses and networks, in which an address is looked up. */
export class AddressSet {
  readonly #list = new BlockList();

  /** @param entries addresses and networks; anything else is no member */
  constructor(entries: Iterable<string>) {
    for (const entry of entries) {
      if (isNetwork(entry)) {
        const [address = '', bits = ''] = entry.split('/');
        this.#list.addSubnet(address, Number(bits), familyOf(address));
      } else if (isIP(entry) !== 0) this.#list.addAddress(plainAddress(entry), familyOf(plainAddress(entry)));
    }
  }

  has(address: string): boolean {
    const plain = plainAddress(address);
    return isIP(plain) !== 0 && this.#list.check(plain, familyOf(plain));
  }
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6';
}
