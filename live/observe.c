/* SPDX-License-Identifier: MIT */
/*
 * live/observe.c - observers, and which file an address belongs to.
 */
#include <errno.h>

#include "live/live.h"

/* Only ever grows, at its head. Inherited by forked children. */
struct mmun_observer *mmun_live_observers;

static bool is_observing(const struct mmun_observer *obs,
			 const struct mmun_observer *head)
{
	for (; head; head = head->next)
		if (head == obs)
			return true;
	return false;
}

int mmun_observe(struct mmun_observer *obs)
{
	struct mmun_observer *head;
	int rc;

	if (!obs || (!obs->before && !obs->after))
		return -EINVAL;
	rc = mmun_mm_arm(mm_self());
	if (rc)
		return rc;
	head = __atomic_load_n(&mmun_live_observers, __ATOMIC_ACQUIRE);
	do {
		if (is_observing(obs, head))
			return -EEXIST;
		obs->next = head;
		/* Pairs with the acquire loads of those who walk the list. */
	} while (!__atomic_compare_exchange_n(&mmun_live_observers, &head, obs,
					      false, __ATOMIC_RELEASE,
					      __ATOMIC_ACQUIRE));
	return 0;
}

int mmun_text_lookup(unsigned long address, struct mmun_text *text)
{
	struct map_entry e;
	struct maps maps;
	size_t i;
	int rc;

	if (!text)
		return -EINVAL;
	rc = maps_find(&maps, address, &e);
	if (rc)
		return rc;
	text->start = e.start;
	text->end = e.end;
	text->offset = e.offset;
	for (i = 0; e.path[i] && i + 1 < sizeof(text->path); i++)
		text->path[i] = e.path[i];
	text->path[i] = 0;
	return 0;
}
