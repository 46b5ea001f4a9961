import type { TcpWatcher } from './tcp-proxy.js';
import {
  COMMANDS,
  decodeAssociateAc,
  decodeCommand,
  decodeIdentifier,
  decodePData,
  EXPLICIT_LE,
  type RawPdv,
} from './wire.js';

const KINDS: Readonly<Record<number, 'C-FIND' | 'C-MOVE'>> = {
  [COMMANDS.CFindRq]: 'C-FIND',
  [COMMANDS.CMoveRq]: 'C-MOVE',
};

interface RecordedRequest {
  readonly kind: 'C-FIND' | 'C-MOVE';
  readonly keys: Readonly<Record<string, string>>;
  /** Instances that were sent with success, as the last response so far says. */
  moved: number;
}

/** Reads along what a node is asked by C-FIND and C-MOVE and what it answers; takes no part. */
export class RequestRecorder {
  #requests: RecordedRequest[] = [];

  requests(kind: 'C-FIND' | 'C-MOVE'): readonly RecordedRequest[] {
    return this.#requests.filter((one) => one.kind === kind);
  }

  moved(): number {
    return this.#requests.reduce((sum, { moved }) => sum + moved, 0);
  }

  clear(): void {
    this.#requests = [];
  }

  /** Reads along on a new connection. Only one request is under way on it at a time. */
  watch(): TcpWatcher {
    const syntaxes = new Map<number, string>();
    let kind: RecordedRequest['kind'] | undefined;
    let request: RecordedRequest | undefined;
    let identifier: Buffer[] = [];
    const fromRequestor = ({ contextId, isCommand, isLast, bytes }: RawPdv): void => {
      if (isCommand) {
        kind = KINDS[Number(decodeCommand(bytes)['CommandField'])];
        return;
      }
      if (kind === undefined) return;
      identifier.push(Buffer.from(bytes));
      if (!isLast) return;
      const isExplicit = syntaxes.get(contextId) === EXPLICIT_LE;
      request = { kind, keys: decodeIdentifier(Buffer.concat(identifier), isExplicit), moved: 0 };
      identifier = [];
      this.#requests.push(request);
    };
    const fromNode = ({ isCommand, bytes }: RawPdv): void => {
      if (!isCommand || request === undefined) return;
      const { CommandField, ...counts } = decodeCommand(bytes);
      if (CommandField !== COMMANDS.CMoveRsp) return;
      const { NumberOfCompletedSuboperations: completed, NumberOfWarningSuboperations: warnings } = counts;
      if (completed !== undefined) request.moved = Number(completed) + Number(warnings ?? 0);
    };
    return {
      toTarget: eachPdu((type, body) => {
        if (type === 4) decodePData(body).forEach(fromRequestor);
      }),
      toClient: eachPdu((type, body) => {
        if (type === 4) decodePData(body).forEach(fromNode);
        if (type === 2)
          for (const { id, transferSyntax } of decodeAssociateAc(body).contexts)
            syntaxes.set(id, transferSyntax);
      }),
    };
  }
}

function eachPdu(take: (type: number, body: Buffer) => void): (bytes: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= 6 && rest.length >= 6 + rest.readUInt32BE(2)) {
      const end = 6 + rest.readUInt32BE(2);
      take(rest.readUInt8(0), rest.subarray(6, end));
      rest = rest.subarray(end);
    }
  };
}
