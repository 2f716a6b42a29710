#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check the JSON that mmun trace writes.

events.py FILE                every line is an object as documented; prints
                              OPERATION START END of each that succeeded
events.py FILE count OP       how many times OP succeeded
events.py FILE field NAME     a field of the summary
events.py FILE has            exit 0 if every line of standard input
                              (OPERATION START END) is among the operations
"""
import collections
import json
import sys

EVENTS = ('UNMAP', 'CLEAR', 'PROTECTION_VMA', 'PROTECTION_PAGE', 'SOFT_DIRTY',
          'RELEASE', 'MIGRATE', 'EXCLUSIVE')
SPECIAL = ('attach', 'fork-child', 'summary')


def check(event):
    assert event['v'] == 1 and isinstance(event['op'], str), event
    if event['op'] in SPECIAL:
        return
    assert event['event'] in EVENTS, event
    start, end = int(event['start'], 16), int(event['end'], 16)
    assert event['start'].startswith('0x') and start < end, event
    assert start % 4096 == 0 and end % 4096 == 0, event
    assert isinstance(event['pid'], int) and event['pid'] > 0, event
    assert isinstance(event['tid'], int) and event['tid'] > 0, event
    assert event['result'] is None or isinstance(event['result'], int), event
    assert isinstance(event['site'], str) and event['site'], event


def load(path):
    with open(path, encoding='ascii') as lines:
        events = [json.loads(line) for line in lines]
    for event in events:
        check(event)
    assert events and events[-1]['op'] == 'summary', 'the summary is not last'
    assert sum(e['op'] == 'summary' for e in events) == 1
    return events


def succeeded(events):
    return [e for e in events if e['op'] not in SPECIAL and
            (e['result'] is None or not -4096 < e['result'] < 0)]


def has(events, wanted):
    seen = collections.Counter((e['op'], e['start'], e['end'])
                               for e in succeeded(events))
    missing = 0
    for line in wanted:
        key = tuple(line.split())
        if not seen[key]:
            print('not seen:', *key)
            missing += 1
        seen[key] -= 1
    return missing


def main(path, what='', name=''):
    events = load(path)
    if what == 'count':
        print(sum(e['op'] == name and e.get('part', 1) == 1
                  for e in succeeded(events)))
    elif what == 'field':
        print(events[-1][name])
    elif what == 'has':
        return has(events, sys.stdin) != 0
    else:
        for e in succeeded(events):
            print(e['op'], e['start'], e['end'])
    return 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
