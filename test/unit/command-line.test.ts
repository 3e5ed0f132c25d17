/** What the program prints and how it ends, without a kernel. */

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { load } from 'js-yaml';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { completionScript } from '../../src/cli/completion.ts';
import { markdownMarkers, markdownTables } from '../../src/cli/help.ts';
import { createLog, textLine } from '../../src/cli/log.ts';
import { commandTable, shells } from '../../src/config/commands.ts';
import { flagNames, flagSpecs } from '../../src/config/flags.ts';
import { bundle, kubeIpvs, startKubeIpvs } from '../support/program.ts';

async function run(...words: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  let stdout = '';
  let stderr = '';
  const streams = {
    stdin: Readable.from([]),
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
  };
  const status = await runCommandLine(words, streams, new AbortController().signal);
  return { status, stdout, stderr };
}

describe('help', () => {
  it('of the whole goes to standard output and names every command', async () => {
    for (const words of [['help'], ['--help'], ['-h'], ['help', 'help']]) {
      const { status, stdout, stderr } = await run(...words);
      assert.deepEqual([status, stderr], [0, '']);
      for (const command of Object.keys(commandTable)) assert.match(stdout, new RegExp(`^  ${command} `, 'm'));
    }
  });

  it('of a command names all of its flags and no others', async () => {
    const { stdout } = await run('help', 'cleanup');
    assert.match(stdout, /^Usage: kube-ipvs cleanup \[flags\]$/m);
    assert.match(stdout, /--dry-run/);
    assert.doesNotMatch(stdout, /--once|--markdown|--inject/);
    assert.deepEqual(await run('cleanup', '-h'), await run('help', 'cleanup'));
  });

  it('wins over what else is wrong', async () => {
    const { status, stderr } = await run('reconcile', '--nonsense', '--help');
    assert.deepEqual([status, stderr], [0, '']);
  });

  it('fits into 120 columns', async () => {
    for (const command of Object.keys(commandTable)) {
      const { stdout } = await run('help', command);
      for (const line of stdout.split('\n')) assert.ok(line.length <= 120, line);
    }
  });
});

describe('bad usage', () => {
  const rows: readonly (readonly [string, readonly string[], RegExp])[] = [
    [
      'a flag of another command without a command',
      ['--once'],
      /belongs to reconcile, not to run; leave it out\nRun 'kube-ipvs help run'/,
    ],
    ['an argument of run', ['run', 'node-a'], /^kube-ipvs: run takes no argument "node-a"; leave it out\n/],
    [
      'a bad file beside bad flags',
      ['--config', '/no/such/file', '--netns', 'a/b', '--oom-score-adj=low'],
      /^kube-ipvs: --oom-score-adj is "low".*\nkube-ipvs: --config is "\/no\/such\/file", which cannot be read.*\nkube-ipvs: --netns is "a\/b"/,
    ],
    [
      'another mode',
      ['--proxy-mode=iptables'],
      /^kube-ipvs: --proxy-mode is "iptables", and kube-ipvs is IPVS only; write ipvs, or leave it out\nRun 'kube-ipvs help run' for usage\.\n$/,
    ],
    [
      'a daemon over standard input',
      ['--manifests', '-'],
      /^kube-ipvs: --manifests is "-", and standard input cannot be watched; name files or folders, or write kube-ipvs reconcile --once\nRun 'kube-ipvs help run'/,
    ],
    [
      'a daemon over standard input, beside the rest',
      ['--manifests', '-', '--netns', 'a/b'],
      /^kube-ipvs: --netns is "a\/b".*\nkube-ipvs: --manifests is "-"/,
    ],
    [
      'a daemon over standard input, beside a flag that is none',
      ['--manifests', '-', '--nonsense'],
      /^kube-ipvs: "--nonsense" is no flag.*\nkube-ipvs: --manifests is "-"/,
    ],
    ['an unknown command', ['reconsile'], /did you mean reconcile\?\nRun 'kube-ipvs help' for usage\.\n$/],
    ['an unknown flag', ['reconcile', '--dryrun'], /did you mean --dry-run\?\nRun 'kube-ipvs help reconcile'/],
    [
      'reconcile without --once',
      ['reconcile', '--manifests', 'x'],
      /does one pass and stops, and wants to be told so; write --once/,
    ],
    [
      'what only the config finds, beside the rest',
      ['cleanup', '--ipvs-exclude-cidrs', 'x', '-o', 'yaml'],
      /-o is "yaml".*\n.*--ipvs-exclude-cidrs is "x"/,
    ],
  ];
  for (const [sentence, words, expected] of rows) {
    it(`${sentence} is status 64 and a sentence on standard error`, async () => {
      const { status, stdout, stderr } = await run(...words);
      assert.deepEqual([status, stdout], [64, '']);
      assert.match(stderr, expected);
    });
  }
});

describe('manifests without a word', () => {
  it('are no cluster without Services: nothing is changed, by standard input and by a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
    after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'empty.yaml');
    writeFileSync(file, ' \n');
    const end = 'error nothing was changed: mend the manifests first\n';
    const words = ['reconcile', '--once', '--hostname-override', 'x', '--manifests'];
    assert.deepEqual(await run(...words, '-'), {
      status: 64,
      stdout: '',
      stderr: `error stdin: nothing came; when nothing is meant, send a comment\n${end}`,
    });
    assert.deepEqual(await run(...words, file), {
      status: 64,
      stdout: '',
      stderr: `error ${file}: the file is empty; when nothing is meant, write a comment or delete the file\n${end}`,
    });
  });
});

describe('--write-config-to', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
  after(() => rmSync(folder, { recursive: true }));
  const from = join(folder, 'from.conf');
  const to = join(folder, 'to.conf');
  writeFileSync(
    from,
    'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: ipvs\nipvs: {scheduler: sh}\nportRange: 1-2\n',
  );

  it('writes the effective configuration and does nothing else, with or without the command', async () => {
    for (const command of [[], ['run']]) {
      const words = [...command, '--config', from, '--hostname-override=node-b', '--write-config-to', to, '--cleanup'];
      const { status, stdout, stderr } = await run(...words, '--ipvs-scheduler=wrr');
      assert.deepEqual([status, stdout], [0, '']);
      assert.equal(
        stderr,
        'warn --ipvs-scheduler is ignored: the file of --config decides (ipvs.scheduler)\n' +
          `warn ${from}:5:1: portRange is ignored: it belongs to a mode that kube-proxy no longer has\n` +
          `info wrote the configuration file=${to}\n`,
      );
      const { hostnameOverride, mode, ipvs, portRange } = load(readFileSync(to, 'utf8')) as Record<string, unknown>;
      assert.deepEqual([hostnameOverride, mode, portRange], ['node-b', 'ipvs', '']);
      assert.equal((ipvs as Record<string, unknown>)['scheduler'], 'sh');
    }
  });

  it('writes what gives the same when it is written again', async () => {
    const again = join(folder, 'again.conf');
    assert.equal((await run('--write-config-to', to, '--hostname-override=n', '--drain-timeout=90s')).status, 0);
    const { status, stderr } = await run('--config', to, '--write-config-to', again);
    assert.deepEqual([status, stderr], [0, `info wrote the configuration file=${again}\n`]);
    assert.equal(readFileSync(again, 'utf8'), readFileSync(to, 'utf8'));
  });

  it('remarks in JSON where the log is so', async () => {
    const { stderr } = await run('--healthz-port=1', '--logging-format=json', '--write-config-to', to);
    const lines = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      lines.map(({ level, msg }) => [level, msg]),
      [
        ['warn', '--healthz-port is deprecated: write --healthz-bind-address'],
        ['info', 'wrote the configuration'],
      ],
    );
  });

  it('fails where nothing can be written, and says so', async () => {
    const { status, stderr } = await run('--write-config-to', '/no/such/folder/file');
    assert.equal(status, 1);
    assert.match(
      stderr,
      /^error --write-config-to cannot write: ENOENT.*; write the path of a file that can be written\n$/,
    );
  });
});

describe('the file of --config', () => {
  it('is refused where it is no UTF-8, as kube-proxy refuses it, and not read as something else', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
    const file = join(folder, 'config.conf');
    const text =
      'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nclientConnection: {kubeconfig: /etc/caf\u00e9}\n';
    const outcome = async (encoding: BufferEncoding) => {
      writeFileSync(file, text, encoding);
      return run('--config', file, '--write-config-to', '/dev/null');
    };
    assert.equal((await outcome('utf8')).status, 0);
    const { status, stderr } = await outcome('latin1');
    rmSync(folder, { recursive: true });
    assert.equal(status, 64);
    assert.match(stderr, /^kube-ipvs: --config is ".*", which cannot be read \(it is no UTF-8 text\); write the path/);
  });

  it('may be a pipe for what reads it once, and is no pipe for a daemon', () => {
    const text = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';
    const outcome = (words: string) =>
      spawnSync('bash', ['-c', `${bundle} run --config <(printf '${text}') ${words}`], { encoding: 'utf8' });
    assert.equal(outcome('--write-config-to /dev/null').status, 0);
    const { status, stderr } = outcome('');
    assert.equal(status, 64);
    assert.match(
      stderr,
      /^kube-ipvs: --config is ".*", which cannot be read \(a pipe, a socket or a device is no file/,
    );
  });

  it('is refused where it is larger than any configuration, before all of it is read', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
    const file = join(folder, 'config.conf');
    const text = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';
    const outcome = async (padding: number) => {
      writeFileSync(file, `${text}${'#'.repeat(padding)}\n`);
      return run('--config', file, '--write-config-to', '/dev/null');
    };
    assert.equal((await outcome(2 ** 20)).status, 0);
    const { status, stderr } = await outcome(2 ** 22);
    rmSync(folder, { recursive: true });
    assert.equal(status, 64);
    assert.match(
      stderr,
      /^kube-ipvs: --config is ".*", which cannot be read \(it has more than 4 MiB\); write the path/,
    );
  });
});

describe('the version', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };

  it('is that of the package, as text and as JSON', async () => {
    for (const words of [['version'], ['--version'], ['--version=raw'], ['reconcile', '--version']]) {
      const { status, stdout } = await run(...words);
      assert.equal(status, 0);
      assert.ok(stdout.startsWith(`kube-ipvs ${version} (node v`), stdout);
    }
    const { stdout } = await run('version', '-o', 'json');
    assert.equal((JSON.parse(stdout) as { version: string }).version, version);
  });
});

/** What bash offers for the last word, with commas between. */
function ask(...words: string[]): string {
  const script = `${completionScript('bash')}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _kube_ipvs; IFS=,; echo "\${COMPREPLY[*]}"`;
  return spawnSync('bash', ['--norc'], { input: script, encoding: 'utf8' }).stdout.trim();
}

describe('completion', () => {
  for (const shell of shells) {
    it(`of ${shell} knows every visible flag and is well formed where ${shell} is there`, async (test) => {
      const { stdout } = await run('completion', shell);
      assert.equal(stdout, completionScript(shell));
      for (const flag of flagSpecs.values()) {
        const known = flagNames(flag).some(
          (name) => name.length > 1 && stdout.includes(shell === 'fish' ? `-l ${name}` : `--${name}`),
        );
        assert.equal(known || flag.name === 'v', !('hidden' in flag), flag.name);
      }
      const check = spawnSync(shell, ['-n'], { input: stdout, encoding: 'utf8' });
      if (check.error !== undefined) test.diagnostic(`${shell} is not installed: not checked`);
      else assert.deepEqual([check.status, check.stderr], [0, '']);
    });
  }

  it('of bash takes a path with blanks for one', () => {
    const folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
    const file = join(folder, 'the web.yaml');
    writeFileSync(file, '');
    writeFileSync(join(folder, 'the api.yaml'), '');
    const offered = [ask('kube-ipvs', '--config', file.slice(0, -3)), ask('kube-ipvs', 'reconcile', file.slice(0, -3))];
    const all = ask('kube-ipvs', '--config', join(folder, 'the'));
    rmSync(folder, { recursive: true });
    assert.deepEqual(offered, [file, file]);
    assert.deepEqual(all.split(',').toSorted(), [join(folder, 'the api.yaml'), file]);
  });

  it('of bash completes commands, flags and their values', () => {
    assert.equal(ask('kube-ipvs', 'rec'), 'reconcile');
    assert.equal(ask('kube-ipvs', 'reconcile', '--dry'), '--dry-run');
    assert.equal(ask('kube-ipvs', 'cleanup', '--once'), '');
    assert.equal(ask('kube-ipvs', 'reconcile', '-o', ''), 'text,json,wide');
    assert.equal(ask('kube-ipvs', 'completion', 'f'), 'fish');
    assert.equal(ask('kube-ipvs', 'reconcile', '--manifests', '/etc/hostn'), '/etc/hostname');
    assert.equal(ask('kube-ipvs', '--config', '/etc/hostn'), '/etc/hostname');
    assert.equal(ask('kube-ipvs', 'takeover', '--manifests', '/etc/hosts', '/etc/hostn'), '/etc/hostname');
    assert.equal(ask('kube-ipvs', 'status', '/etc/hostn'), '');
    assert.equal(ask('kube-ipvs', '--write-conf'), '--write-config-to');
    assert.equal(ask('kube-ipvs', '--config', 'x', '--init'), '--init-only');
  });
});

describe('the README', () => {
  const path = fileURLToPath(new URL('../../../README.md', import.meta.url));
  it('has the flag tables that the program prints', () => {
    const readme = readFileSync(path, 'utf8');
    const begin = readme.indexOf(markdownMarkers.begin);
    const end = readme.indexOf(markdownMarkers.end);
    assert.ok(begin >= 0 && end > begin, `README.md lacks ${markdownMarkers.begin} … ${markdownMarkers.end}`);
    const tables = readme.slice(begin + markdownMarkers.begin.length, end).trim();
    assert.equal(tables, markdownTables().trim(), 'replace the tables by what `kube-ipvs help --markdown` prints');
  });
});

function logged(verbosity: number, loggingFormat: 'text' | 'json'): string {
  let text = '';
  const log = createLog({ verbosity, loggingFormat }, { write: (line) => (text += line) });
  log.info({ service: 'default/web', after: 12 }, 'took over');
  log.debug('only with -v 4');
  log.warn({ err: new Error('broken\npipe') }, 'two\nlines \u001b[31m');
  return text;
}

describe('the log', () => {
  it('in text is one readable line each', () => {
    assert.equal(
      logged(0, 'text'),
      'info took over service=default/web after=12\nwarn two\\u000alines \\u001b[31m err="broken\\npipe"\n',
    );
  });

  it('tells more from verbosity 4 on', () => {
    assert.match(logged(4, 'text'), /^debug only with -v 4$/m);
    assert.doesNotMatch(logged(3, 'text'), /debug/);
  });

  it('in JSON is one object each', () => {
    const records = logged(0, 'json')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.equal(records.length, 2);
    const { level, msg, service, after } = records[0]!;
    assert.deepEqual([level, msg, service, after], ['info', 'took over', 'default/web', 12]);
  });

  it('brings nothing of other people to the terminal raw, in JSON neither', () => {
    const words = 'a\u0007\u009b2J\u202e\u2028b';
    let text = '';
    const log = createLog({ verbosity: 0, loggingFormat: 'json' }, { write: (line) => (text += line) });
    log.warn({ service: words }, words);
    assert.match(text, /^\{[\x20-\x7e]*\}\n$/);
    const { msg, service } = JSON.parse(text) as Record<string, unknown>;
    assert.deepEqual([msg, service], [words, words]);
  });

  it('loses the lines that a full disk does not take, and nothing else', () => {
    const script = `
      import fs from 'node:fs';
      const { createLog } = await import(${JSON.stringify(new URL('../../src/cli/log.js', import.meta.url).href)});
      const log = createLog({ verbosity: 0, loggingFormat: 'text' }, process.stderr);
      const { writeSync } = fs;
      log.info('before');
      fs.writeSync = () => { throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }); };
      log.info('lost');
      log.info('lost too');
      fs.writeSync = writeSync;
      log.info('after');
    `;
    const args = ['--input-type=module', '--eval', script];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.deepEqual([status, stderr], [0, 'info before\ninfo after\n']);
  });

  it('quotes what would not be one word', () => {
    assert.equal(
      textLine({ level: 50, msg: 'm', a: 'b c', d: '', e: null, f: [1] }),
      'error m a="b c" d="" e=null f=[1]\n',
    );
  });
});

describe('the process', () => {
  it('ends with the status of the command', async () => {
    assert.equal((await kubeIpvs(['version'])).status, 0);
    assert.equal((await kubeIpvs(['--nonsense'])).status, 64);
  });

  it('says what is wrong with a kubeconfig as it is: no mistake of its own', async () => {
    const words = ['reconcile', '--once', '--hostname-override', 'x', '--kubeconfig'];
    assert.deepEqual(await kubeIpvs([...words, '/no/such/file']), {
      status: 1,
      stdout: '',
      stderr: 'kube-ipvs: /no/such/file: cannot be read (ENOENT); name a kubeconfig file with --kubeconfig\n',
    });
  });

  it('is quiet when nobody reads its output', () => {
    const script = `for i in 1 2 3; do ${bundle} completion bash | true; echo "\${PIPESTATUS[0]}"; done`;
    const { stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
    assert.deepEqual([stdout, stderr], ['0\n0\n0\n', '']);
  });

  it('fails when a full disk does not take its output, and is none the worse for messages that it does not take', () => {
    const script = `${bundle} completion bash > /dev/full; echo $?; ${bundle} --nonsense 2> /dev/full; echo $?`;
    const { stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
    assert.deepEqual([stdout, stderr], ['1\n64\n', 'kube-ipvs: ENOSPC: no space left on device, write\n']);
  });

  it('ends with 130 when it is interrupted, and says so', async () => {
    const child = startKubeIpvs(['reconcile', '--once', '--manifests', '-', '--hostname-override', 'x']);
    let stderr = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    // More than a pipe holds: when it is written, the program reads, and waits for more.
    child.stdin!.on('error', () => {});
    child.stdin!.write(`#${'.'.repeat(1 << 20)}\n`, () => child.kill('SIGINT'));
    const status = await new Promise((resolve) => child.on('close', resolve));
    assert.deepEqual([status, stderr], [130, 'kube-ipvs: interrupted\n']);
  });

  it('listens for no debugger, whoever asks for that', async () => {
    const child = startKubeIpvs(['reconcile', '--once', '--manifests', '-', '--hostname-override', 'x']);
    let stderr = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdin!.on('error', () => {});
    const isRead = () => new Promise((resolve) => child.stdin!.write(`#${'.'.repeat(1 << 20)}\n`, resolve));
    await isRead();
    child.kill('SIGUSR1');
    await isRead();
    child.kill('SIGINT');
    const status = await new Promise((resolve) => child.on('close', resolve));
    assert.deepEqual([status, stderr], [130, 'kube-ipvs: interrupted\n']);
  });

  it('ends when it is told to, although one of its threads waits for somebody who never answers', {
    timeout: 60_000,
  }, async (test) => {
    const folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-waiting-'));
    test.after(() => rmSync(folder, { recursive: true }));
    const [pipe, preloaded] = [join(folder, 'pipe'), join(folder, 'preloaded.cjs')];
    execFileSync('mkfifo', [pipe]);
    // as a look-up of a name does
    writeFileSync(preloaded, `require('node:fs').open('${pipe}', 'r', () => {});`);
    const words = ['reconcile', '--once', '--manifests', '-', '--hostname-override', 'x'];
    const child = startKubeIpvs(words, ['env', `NODE_OPTIONS=--require=${preloaded}`]);
    child.stdin!.on('error', () => {});
    child.stdin!.write(`#${'.'.repeat(1 << 20)}\n`, () => child.kill('SIGTERM'));
    test.signal.addEventListener('abort', () => child.kill('SIGKILL'));
    assert.deepEqual(await new Promise((resolve) => child.on('close', resolve)), 143);
  });
});

it('doctor examines nothing in a network namespace that is not there', async () => {
  await assert.rejects(run('doctor', '--netns', 'nobody-made-this'), {
    code: 'NO_NETNS',
    message: 'there is no network namespace nobody-made-this: see ip netns list',
  });
});
