#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compare what strace saw with what mmun trace announced, in the same run.

vs-strace.py STRACE-LOG JSON LIBMMUN MINIMUM

At least MINIMUM calls must have been compared. STRACE-LOG was written by "strace -f -i -y -o", JSON by "mmun trace --json"
inside of it. Every call that took pages away must have been announced with the
range that the kernel acted on, worked out here from the arguments alone. Calls
of a thread are matched in their order, by name and range: the instruction
pointer is that of mmun's stub. Not compared are

  - calls of a program image up to its marker, the last of the agent's
    madvise() calls on its scratch page (the "attach" object says which): what
    ld.so and other constructors did before the agent was there;
  - calls that libmmun makes itself: instruction pointer in its one function
    with a syscall instruction for that, mmun_raw_syscall();
  - program images without an "attach" object: mmun, strace's own child;
  - calls that failed;
  - shmdt() and process_madvise(): their ranges are not in the arguments.

Then each of some announcements is left out, and that must be noticed.
"""
import collections
import json
import re
import subprocess
import sys

PAGE = 4096
LINE = re.compile(r'^(\d+) +\[ *([0-9a-f?]+)\] (.*)$')
CALL = re.compile(r'^(\w+)\((.*)\)\s+= (-?\w+)(.*)$')
FD = re.compile(r'<[^>]*>')
LOSING_ADVICE = ('MADV_DONTNEED', 'MADV_FREE', 'MADV_REMOVE', 'MADV_PAGEOUT',
                 'MADV_DONTNEED_LOCKED', 'MADV_COLLAPSE', '0x66')

Call = collections.namedtuple('Call', 'tid ip name args result text')
Wanted = collections.namedtuple('Wanted', 'op ranges text')


def up(address):
    return (address + PAGE - 1) & -PAGE


def number(text):
    return 0 if text == 'NULL' else int(text.split('<')[0], 0)


def calls(path):
    """The calls that returned, in the order of returning."""
    begun = {}
    with open(path, encoding='utf-8', errors='replace') as lines:
        for line in lines:
            match = LINE.match(line.rstrip('\n'))
            if not match:
                continue
            tid, ip, text = int(match[1]), match[2], match[3]
            if text.endswith('<unfinished ...>'):
                begun[tid] = (ip, text[:-len('<unfinished ...>')].rstrip())
                continue
            if text.startswith('<... '):
                if tid not in begun:
                    continue
                ip, start = begun.pop(tid)
                text = start + text[text.index('resumed>') + 8:]
            match = CALL.match(text)
            if match:
                args = [a.strip() for a in FD.sub('', match[2]).split(', ')]
                yield Call(tid, ip, match[1], args, match[3], text)


class Space:
    """An address space: of one program image, or of a forked child."""

    def __init__(self, parent=None):
        self.brk = parent.brk if parent else None
        self.origin = parent.origin if parent else self
        self.gate = parent.gate if parent else None
        self.marker = None      # of an image: index of its last marker call
        self.attached = False


class Run:
    """Which thread lives in which space, and what must be announced."""

    def __init__(self, log, events, library):
        self.calls = list(calls(log))
        self.scratch = collections.defaultdict(set)
        for event in events:
            if event['op'] == 'attach' and not event['error']:
                self.scratch[event['pid']].add(int(event['scratch'], 16))
        self.parents = {}
        for call in self.calls:
            if call.name in ('clone', 'clone3', 'fork', 'vfork') and \
                    call.result.isdigit() and int(call.result):
                shares = 'CLONE_VM' in call.text or call.name == 'vfork'
                self.parents[int(call.result)] = (call.tid, shares)
        self.spaces = {}
        self.gate = gate(library)
        self.losses = []        # (index, tid, space, Wanted)
        self.left_out = collections.Counter()

    def space(self, tid):
        if tid not in self.spaces:
            parent, shares = self.parents.get(tid, (None, False))
            if parent is None:
                self.spaces[tid] = Space()
            else:
                of = self.space(parent)
                self.spaces[tid] = of if shares else Space(of)
        return self.spaces[tid]

    def own(self, call, space):
        """Is it libmmun's own call?"""
        if space.origin.gate is None or '?' in call.ip:
            return False
        return 0 <= int(call.ip, 16) - space.origin.gate < 64

    def read(self):
        for index, call in enumerate(self.calls):
            space = self.space(call.tid)
            failed = call.result.startswith('-') or call.result == '?'
            if call.name in ('execve', 'execveat'):
                if not failed:
                    self.spaces[call.tid] = Space()
                continue
            if failed:
                continue
            if call.name == 'mmap' and '/libmmun.so' in call.text:
                self.place_gate(call, space)
            if call.name == 'madvise' and \
                    number(call.args[0]) in self.scratch[call.tid]:
                space.origin.marker = index
                space.origin.attached = True
                continue
            ranges = lost(call, space)
            if ranges and self.own(call, space):
                self.left_out["libmmun's own"] += 1
            elif ranges:
                self.losses.append((index, call.tid, space,
                                    Wanted(call.name, ranges, call.text)))
        return self.wanted()

    def place_gate(self, call, space):
        offset = number(call.args[5])
        if 'PROT_EXEC' in call.args[2]:
            space.origin.gate = number(call.result) + self.gate - offset

    def wanted(self):
        result = collections.defaultdict(list)
        for index, tid, space, wanted in self.losses:
            origin = space.origin
            if not origin.attached:
                self.left_out['in images without the agent'] += 1
            elif index < origin.marker:
                self.left_out['before the marker'] += 1
            else:
                result[tid].append(wanted)
        return result


def gate(library):
    """File offset of mmun_raw_syscall(): text is linked at its offset."""
    out = subprocess.run(['nm', library], capture_output=True, text=True,
                         check=True).stdout
    address = int(re.search(r'^(\w+) . mmun_raw_syscall$', out, re.M)[1], 16)
    out = subprocess.run(['readelf', '-lW', library], capture_output=True,
                         text=True, check=True).stdout
    for match in re.finditer(r'LOAD +(0x\w+) (0x\w+) 0x\w+ (0x\w+)', out):
        offset, start, size = (int(x, 16) for x in match.groups())
        if start <= address < start + size:
            return address - start + offset
    raise SystemExit('mmun_raw_syscall is in no segment')


def lost(call, space):
    """The ranges that lost their pages, as the kernel rounds."""
    args = call.args
    if call.name == 'brk':
        old, space.brk = space.brk, number(call.result)
        if old is not None and up(space.brk) < up(old) and number(args[0]):
            return {(up(space.brk), up(old))}
        return set()
    if call.name == 'mmap':
        if 'MAP_FIXED' not in args[3].split('|'):
            return set()
        start = number(args[0])
        return {(start, start + up(number(args[1])))}
    if call.name == 'mremap':
        return lost_by_mremap(call)
    if call.name == 'madvise' and args[2] not in LOSING_ADVICE:
        return set()
    if call.name in ('munmap', 'madvise', 'mprotect', 'pkey_mprotect'):
        start = number(args[0])
        end = start + up(number(args[1]))
        return {(start, end)} if start < end else set()
    return set()


def lost_by_mremap(call):
    old, new = number(call.args[0]), number(call.result)
    old_size, new_size = up(number(call.args[1])), up(number(call.args[2]))
    ranges = set()
    if new != old and old_size:
        ranges.add((old, old + old_size))
    elif new_size < old_size:
        ranges.add((old + new_size, old + old_size))
    if 'MREMAP_FIXED' in call.args[3]:
        ranges.add((new, new + new_size))
    return ranges


def announced(events):
    """tid -> [(op, ranges)] in order; the parts of one call together."""
    result = collections.defaultdict(list)
    for e in events:
        if 'start' not in e:
            continue
        piece = (int(e['start'], 16), int(e['end'], 16))
        if e.get('part', 1) > 1:
            result[e['tid']][-1][1].add(piece)
        else:
            result[e['tid']].append((e['op'], {piece}))
    return result


def covers(seen, wanted):
    """Announced, with the same range; several in one call in any order."""
    return seen[0] == wanted.op and wanted.ranges <= seen[1]


def match(wanted, seen):
    """What was not announced, and the indices of the announcements used."""
    missing, used = [], []
    for tid, all_wanted in wanted.items():
        at = 0
        for w in all_wanted:
            found = next((i for i in range(at, len(seen[tid]))
                          if covers(seen[tid][i], w)), None)
            if found is None:
                missing.append(f'{tid} {w.text}')
            else:
                used.append((tid, found))
                at = found + 1
    return missing, used


def left_out_is_noticed(wanted, seen, used):
    for tid, index in used[::max(1, len(used) // 20)]:
        rest = collections.defaultdict(list, seen)
        rest[tid] = seen[tid][:index] + seen[tid][index + 1:]
        if not match(wanted, rest)[0]:
            print(f'nobody noticed that {seen[tid][index]} was left out')
            return False
    return True


def main(log, path, library, minimum):
    with open(path, encoding='ascii') as lines:
        events = [json.loads(line) for line in lines]
    run = Run(log, events, library)
    wanted = run.read()
    seen = announced(events)
    missing, used = match(wanted, seen)
    for text in missing[:20]:
        print('not announced:', text)
    print(f'{len(used)} calls compared, {len(missing)} not announced, '
          f'{events[-1]["lost"]} records lost')
    print('left out:', ', '.join(f'{n} {why}' for why, n in
                                 sorted(run.left_out.items())) or 'none')
    if missing or len(used) < int(minimum) or events[-1]['lost']:
        return 1
    if not events[-1]['images']:
        print('no program image was traced')
        return 1
    return 0 if left_out_is_noticed(wanted, seen, used) else 1


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
