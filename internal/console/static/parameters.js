// The settings of a gateway, in the words of the console.
import { table } from './table.js';

const labels = {
  engine: 'Engine Version',
  livyVersion: 'Livy Version',
  cpu: 'CPU',
  memory: 'Memory',
  servers: 'Livy servers',
  fusion: 'Fusion Acceleration',
  cluster: 'Cluster',
  queue: 'Associated Queue',
  identity: 'Identity',
  environment: 'Environment',
  network: 'Network Connection',
  directories: 'Integrated File Directories',
  mountToExecutor: 'Mount to Executor',
  warehouse: 'Warehouse',
  public: 'Endpoint (Public)',
  isolated: 'Isolated tokens',
  autoStop: 'Automatic Stop',
  autoStart: 'Automatic Start',
  warm: 'Warm Sessions',
  policy: 'Policy',
  statementAudit: 'Statement audit',
  sparkDefaults: 'spark-defaults.conf',
  livyConf: 'livy.conf',
  livyClientConf: 'livy-client.conf',
  sparkBlacklist: 'spark-blacklist.conf',
  policyRules: 'policy.rules',
  disabledRoutes: 'Routes off',
};

export const parameters = table.map((p) => ({ ...p, label: labels[p.field] || p.field }));

export const parameter = Object.fromEntries(parameters.map((p) => [p.field, p]));
