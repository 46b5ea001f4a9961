import type { FtpsConfig } from '../core/config/index.js';
import { variables } from '../core/config/variables.js';
import { FtpsConnectionError, FtpsLoginError, FtpsTlsError, ftpsPeer } from '../core/exports/index.js';
import { sound, type Check } from './check.js';

/**
 * Does the FTPS server let us in, and open a data connection?
 *
 * @param tryOut logs in and lists a folder
 */
export function ftpsCheck(config: FtpsConfig, tryOut: (signal: AbortSignal) => Promise<void>): Check {
  return {
    name: 'FTPS',
    run: async (signal) => {
      await tryOut(signal);
      return sound(`${ftpsPeer(config)} takes the user ${config.username}, and opens data connections`);
    },
    mendOf: ftpsMend(config),
  };
}

function ftpsMend(config: FtpsConfig): (error: unknown) => string {
  const { host, port, username, password, tls, tlsVerify, tlsCa } = variables.ftps;
  return (error) => {
    if (error instanceof FtpsLoginError)
      return `correct ${username.name} (${config.username}) and ${password.name}`;
    if (error instanceof FtpsTlsError)
      return `correct ${tlsCa.name}, ${host.name} (${config.host}) or ${tls.name} (${config.tls}), or have the server's certificate renewed; ${tlsVerify.name}=false would trust anybody`;
    if (error instanceof FtpsConnectionError && error.channel === 'data')
      return `open the server's passive ports in the firewall; it must let the TLS session be taken up again`;
    if (error instanceof FtpsConnectionError)
      return `start the server, or correct ${host.name} (${config.host}), ${port.name} (${config.port}) and ${tls.name} (${config.tls})`;
    return `give ${config.username} the right to list its folder; the server's log says more`;
  };
}
