#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Signals that reach mmun trace, its program, or both.

signals.py MMUN VICTIM: exit 0 if all went as the manual page says.
"""
import os
import signal
import subprocess
import sys
import time

MMUN, VICTIM = sys.argv[1:3]
failures = []


def start(*program):
    return subprocess.Popen([MMUN, 'trace', *program], start_new_session=True,
                            stderr=subprocess.PIPE, stdout=subprocess.PIPE)


def check(name, run, status, said=b'total '):
    out, err = run.communicate(timeout=20)
    if run.returncode != status or (said and said not in err):
        failures.append(name)
        print(f'# {name}: status {run.returncode}, not {status}, said',
              err[-300:])
    return out


def is_up(run):
    """The program has written its first line: it is there, and traced."""
    return run.stdout.readline()


run = start('sh', '-c', 'kill -TERM $$')
check('a fatal signal is died of', run, -signal.SIGTERM)

LOOP = 'echo up; while :; do sleep 0.05; done'
run = start('sh', '-c', LOOP)
is_up(run)
os.killpg(run.pid, signal.SIGINT)
check('^C ends both, with the summary', run, -signal.SIGINT)

run = start('sh', '-c', 'trap "echo caught; exit 5" INT; ' + LOOP)
is_up(run)
os.killpg(run.pid, signal.SIGINT)
if check('^C that the program handles', run, 5) != b'caught\n':
    failures.append('caught')

run = start('sh', '-c', 'trap "exit 6" TERM; ' + LOOP)
is_up(run)
run.send_signal(signal.SIGTERM)
check('SIGTERM is passed on', run, 6)

run = start('sh', '-c', 'setsid sh -c "exec >&- 2>&-; sleep 3" & echo up')
is_up(run)
time.sleep(0.5)
began = time.time()
os.killpg(run.pid, signal.SIGINT)
check('^C does not wait for children left behind', run, 0)
if time.time() - began > 2:
    failures.append('waited')

# The tool is killed: the program goes on, its children too.
read, write = os.pipe()
run = subprocess.Popen([MMUN, 'trace', '-q', '-o', '/dev/null', 'sh', '-c',
                        f'sleep 0.5; {VICTIM} lose 100000 && echo done'],
                       stdout=write, start_new_session=True)
os.close(write)
time.sleep(0.3)
run.kill()
run.wait()
if os.read(read, 100) != b'done\n':
    failures.append('killed tool')

if failures:
    print('# failed:', *failures)
sys.exit(bool(failures))
