import type { NodeConfig, NodeName } from '../core/config/index.js';
import { variables } from '../core/config/variables.js';
import { TimeoutError } from '../core/errors.js';
import {
  AssociationAbortedError,
  AssociationRejectedError,
  ConnectionError,
  DimseStatusError,
  NoPresentationContextError,
  TlsError,
} from '../dimse/index.js';

/** The variable that holds a node's AE title. */
export function aeTitleVariable(node: NodeName): string {
  return variables[node].aeTitle.name;
}

/**
 * What to do when a node does not do as it should.
 *
 * @param ours our own AE title
 * @param service what was asked of it, in words
 */
export function nodeMend(node: NodeConfig, ours: string, service: string): (error: unknown) => string {
  const { host, port, tls } = variables[node.name];
  const where = `${host.name} (${node.host}) and ${port.name} (${node.port})`;
  const allow = `allow ${service} for our AE title ${ours} at ${node.aeTitle}`;
  return (error) => {
    if (error instanceof AssociationRejectedError) return rejectionMend(error, node, ours);
    if (error instanceof ConnectionError && error.whileConnecting)
      return `start the node, or correct ${where}; is there a firewall in between?`;
    if (error instanceof TlsError)
      return `check ${tls.on.name}, ${tls.ca.name}, ${tls.cert.name}, ${tls.key.name} and ${tls.servername.name}, and the dates of the certificates`;
    if (error instanceof TimeoutError)
      return `is it a DICOM node that listens at ${where}, with TLS where ${tls.on.name} says so? Else it is overloaded: look in its log`;
    if (error instanceof NoPresentationContextError || error instanceof AssociationAbortedError)
      return `${allow} (Orthanc: in its DicomModalities)`;
    if (error instanceof DimseStatusError) return `look in the log of ${node.aeTitle}, or ${allow}`;
    return `look in the log of ${node.aeTitle}; is it a DICOM node that listens at ${where}?`;
  };
}

function rejectionMend({ rj }: AssociationRejectedError, node: NodeConfig, ours: string): string {
  if (rj.reason === 'called AE title not recognized')
    return `set ${aeTitleVariable(node.name)} (${node.aeTitle}) to the AE title that the node itself has`;
  if (rj.reason === 'calling AE title not recognized')
    return `enter our AE title ${ours} (${variables.aeTitle.name}) at ${node.aeTitle}, with this machine's address`;
  if (rj.result === 'rejected-transient')
    return `the node has no association to spare: try again, and lower ${variables.archiveAssociations.name} if it stays so`;
  return `compare the AE titles on both sides: ours is ${ours} (${variables.aeTitle.name}), the node's ${node.aeTitle} (${aeTitleVariable(node.name)})`;
}
