import type { Environment } from './environment-reader.js';

/** What a variable of PIXL's means here, or can't mean. */
export interface PixlRemark {
  /** The variables that it is about; `HASHER_API_*` for all that begin so. */
  readonly variables: readonly string[];
  /** Left so it goes wrong wherever we run, or does what nobody wants; else it depends, or is good to know. */
  readonly isTrap: boolean;
  readonly detail: string;
  /** null = there is nothing to set. */
  readonly mend: string | null;
}

/** Names that PIXL's compose file wants and nobody else has. */
const MARKS = [
  'ORTHANC_RAW_WEB_PORT',
  'ORTHANC_ANON_WEB_PORT',
  'ORTHANC_RAW_MAXIMUM_STORAGE_SIZE',
  'RABBITMQ_ADMIN_PORT',
  'CLI_PIXL_DB_HOST',
  'HASHER_API_PORT',
  'PIXL_EXPORT_API_PORT',
] as const;

/** PIXL's code has them, and no variable for them. */
const SECONDARY_HOURS = 'Mon-Fri 00:00-08:00,Mon-Fri 20:00-24:00';

/** Those that have no meaning here, and what takes their place. */
const REPLACED: readonly (readonly [prefix: string, instead: string])[] = [
  [
    'HASHER_API_',
    'there is no hasher: pseudonyms are made by the node that de-identifies, with the secret in PIXL_DEIDENTIFY_KEY_FILE',
  ],
  ['XNAT_', 'XNAT is no destination: studies go to the safe haven (FTP_HOST and the others)'],
  [
    'EXPORT_AZ_',
    'secrets come from the environment or from files, not from a key vault: FTP_HOST, FTP_USER_NAME, FTP_USER_PASSWORD',
  ],
  ['AZURE_', 'nothing is asked of Azure: secrets come from the environment or from files'],
  [
    'PIXL_EXPORT_API_',
    'there is no export API of its own: the daemon has its endpoints, at PIXL_IMAGING_API_HOST and PIXL_IMAGING_API_PORT',
  ],
];

type Values = (name: string) => string | null;

/**
 * What an environment of PIXL's says that is read otherwise here, in a fixed order; nothing of one that is none of PIXL's.
 * docs/from-pixl.md has the same for people.
 */
export function pixlRemarks(environment: Environment): PixlRemark[] {
  const values: Values = (name) => {
    const text = (Object.hasOwn(environment, name) ? environment[name] : undefined)?.trim() ?? '';
    return text === '' ? null : text;
  };
  if (!MARKS.some((name) => values(name) !== null)) return [];
  return [
    storeRemark('ORTHANC_RAW', 'orthanc-raw', values),
    storeRemark('ORTHANC_ANON', 'orthanc-anon', values),
    brokerRemark(values),
    databaseRemark(values),
    hoursRemark(values),
    rateRemark(values),
    unlimitedRemark(values),
    anonRemark(values),
    ...replacedRemarks(environment, values),
  ].filter((remark) => remark !== null);
}

function storeRemark(store: string, inCompose: string, values: Values): PixlRemark | null {
  const [host, port] = [`${store}_DICOM_HOST`, `${store}_DICOM_PORT`];
  const [isNamed, published] = [values(host), values(port)];
  if (isNamed !== null && (isNamed !== inCompose || (published ?? '4242') === '4242')) return null;
  if (isNamed === null && values(`${store}_AE_TITLE`) === null) return null;
  const where = `${inCompose} is a name inside of PIXL's compose, where the port is 4242`;
  const onHost = `on the host set ${host}=localhost`;
  return {
    variables: isNamed === null ? [port, host] : [host, port],
    isTrap: published !== null && published !== '4242',
    detail:
      published === null || published === '4242'
        ? `${host} is not set: ${where}`
        : `${port} (${published}) is the port that PIXL publishes on the host; ${where}`,
    mend: `${onHost}${published === null ? ` and ${port}` : ''}; inside of compose ${host}=${inCompose}, ${port}=4242`,
  };
}

function brokerRemark(values: Values): PixlRemark | null {
  const [port, host] = [values('RABBITMQ_PORT'), values('RABBITMQ_HOST') ?? 'localhost'];
  if (port === null || port === '5672') return null;
  const isOnHost = isLocal(host);
  if (!isOnHost && host.includes('.')) return null; // a broker elsewhere
  return {
    variables: ['RABBITMQ_PORT', 'RABBITMQ_HOST'],
    isTrap: !isOnHost,
    detail: `RABBITMQ_PORT (${port}) is the port that PIXL publishes on the host${isOnHost ? ': right there, and there alone' : `, and RABBITMQ_HOST is not the host's`}`,
    mend: "on the host RABBITMQ_HOST=localhost; inside of compose RABBITMQ_HOST=queue (the service's name) and RABBITMQ_PORT=5672",
  };
}

function databaseRemark(values: Values): PixlRemark | null {
  const inside = values('PIXL_DB_HOST');
  const [host, port] = [values('CLI_PIXL_DB_HOST'), values('CLI_PIXL_DB_PORT') ?? values('POSTGRES_PORT')];
  if (inside === null || inside === host || isLocal(inside) || inside.includes('.')) return null;
  return {
    variables: ['PIXL_DB_HOST', 'PIXL_DB_PORT', 'CLI_PIXL_DB_HOST', 'CLI_PIXL_DB_PORT'],
    isTrap: false,
    detail: `PIXL_DB_HOST (${inside}) is a name inside of PIXL's compose; CLI_PIXL_DB_HOST and CLI_PIXL_DB_PORT, the host's, are not read here`,
    mend: `on the host set PIXL_DB_HOST=${host ?? 'localhost'}, PIXL_DB_PORT=${port ?? "the port that PIXL's compose publishes"}`,
  };
}

function isLocal(host: string): boolean {
  return /^(localhost$|127\.|::1$)/.test(host);
}

function hoursRemark(values: Values): PixlRemark | null {
  const isThere = values('SECONDARY_DICOM_SOURCE_AE_TITLE') !== null;
  if (!isThere || values('SECONDARY_ALLOWED_HOURS') !== null) return null;
  return {
    variables: ['SECONDARY_ALLOWED_HOURS'],
    isTrap: true,
    detail:
      'PIXL asks the secondary archive neither by day nor at weekends, by its code; here it is asked always, unless told',
    mend: `set SECONDARY_ALLOWED_HOURS=${SECONDARY_HOURS}`,
  };
}

function rateRemark(values: Values): PixlRemark | null {
  const rate = values('PIXL_IMAGING_API_RATE');
  if (rate !== null && Number(rate) === 0) return null;
  return {
    variables: ['PIXL_IMAGING_API_RATE'],
    isTrap: false,
    detail: `PIXL's rate stands at 0 until \`pixl start\`; \`serve\` begins by itself, at ${rate ?? 'the default'}, and counts images, not studies`,
    mend: 'to have it wait for `start --rate …`, set PIXL_IMAGING_API_RATE=0; to count studies, PIXL_RATE_UNIT=study',
  };
}

function unlimitedRemark(values: Values): PixlRemark | null {
  if (values('PIXL_IMAGING_API_RATE')?.toLowerCase() !== 'unlimited') return null;
  return {
    variables: ['PIXL_IMAGING_API_RATE'],
    isTrap: true,
    detail: "PIXL's command line reads the rate as a number, and ends at the word unlimited",
    mend: 'where both read the same .env set a number there, and use `update --rate unlimited` here',
  };
}

function anonRemark(values: Values): PixlRemark | null {
  const isDelivered = !/^(false|no|off|0)$/i.test(values('ORTHANC_AUTOROUTE_RAW_TO_ANON') ?? 'true');
  if (values('ORTHANC_ANON_AE_TITLE') === null || !isDelivered) return null;
  return {
    variables: ['ORTHANC_ANON_AE_TITLE'],
    isTrap: false,
    detail:
      "PIXL's orthanc-anon keeps what is stored to it as it is: it de-identifies only when its imaging API asks it to over REST",
    mend: 'deliver to a node that de-identifies what is stored to it; the line `anon: de-identification` shows what yours does',
  };
}

function replacedRemarks(environment: Environment, values: Values): PixlRemark[] {
  return REPLACED.flatMap(([prefix, instead]) => {
    const isSet = Object.keys(environment).some((name) => name.startsWith(prefix) && values(name) !== null);
    if (!isSet) return [];
    return [{ variables: [`${prefix}*`], isTrap: false, detail: `not read here: ${instead}`, mend: null }];
  });
}
