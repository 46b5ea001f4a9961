import { expect } from 'chai';
import { createLogger, hashedNames, plainNames, silentLogger, type LogLevel } from '../../src/core/log.js';

function logged(
  level: LogLevel,
  log: (logger: ReturnType<typeof createLogger>) => void,
): Record<string, unknown>[] {
  const lines: string[] = [];
  log(createLogger({ level, destination: { write: (line: string) => void lines.push(line) } }));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('The log', () => {
  it('is one JSON object a line, with level, time and message', () => {
    const [line, ...rest] = logged('info', (logger) => logger.info({ images: 3 }, 'retrieved'));
    expect(rest).to.be.empty;
    expect(line).to.include({ level: 'info', images: 3, msg: 'retrieved' });
    expect(line?.['time']).to.match(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(line).not.to.have.any.keys('pid', 'hostname');
  });

  it('leaves out what is less important than its level', () => {
    const lines = logged('warn', (logger) => {
      logger.debug({}, 'a');
      logger.info({}, 'b');
      logger.warn({}, 'c');
      logger.error({}, 'd');
    });
    expect(lines.map((line) => line['msg'])).to.deep.equal(['c', 'd']);
  });

  it('shows no password, patient or body, should one slip in', () => {
    const secrets = { password: 'SECRET', mrn: 'SECRET', accession_number: 'SECRET' };
    const lines = logged('debug', (logger) =>
      logger.error({ ...secrets, body: 'SECRET', message: secrets }, 'x'),
    );
    expect(JSON.stringify(lines)).not.to.contain('SECRET');
  });

  it('shows no patient in the spelling of the code either', () => {
    const secrets = {
      patientId: 'SECRET',
      accessionNumber: 'SECRET',
      studyInstanceUid: 'SECRET',
      token: 'SECRET',
    };
    const lines = logged('debug', (logger) => logger.error({ ...secrets, message: secrets }, 'x'));
    expect(JSON.stringify(lines)).not.to.contain('SECRET');
  });

  it('shows of an error that slips in no text', () => {
    const lines = logged('debug', (logger) =>
      logger.error({ err: new Error('SECRET'), error: new Error('SECRET') }, 'x'),
    );
    expect(JSON.stringify(lines)).not.to.contain('SECRET');
  });

  it('may be silent', () => {
    expect(logged('silent', (logger) => logger.error({}, 'x'))).to.be.empty;
    silentLogger.debug({}, 'x');
    silentLogger.info({}, 'x');
    silentLogger.warn({}, 'x');
    silentLogger.error({}, 'x');
  });
});

describe('The name of a study in logs', () => {
  it('is a short hash, always the same, unless plain names are asked for', () => {
    expect(hashedNames('1.2.3'))
      .to.match(/^[0-9a-f]{12}$/)
      .and.to.equal(hashedNames('1.2.3'));
    expect(hashedNames('1.2.3')).not.to.equal(hashedNames('1.2.4'));
    expect(plainNames('1.2.3')).to.equal('1.2.3');
  });
});
