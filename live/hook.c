/* SPDX-License-Identifier: MIT */
/*
 * live/hook.c - before and after an intercepted system call.
 *
 * Runs on the stack of whoever made the call: see the rules in live.h.
 */
#include "sys/general_regs.h"

#include "live/live.h"

#include <cpuid.h>
#include <errno.h>
#include <sys/mman.h>

#define STACK_SIZE (64ul << 10)
#define STACKS_SIZE (STACK_SIZE * MM_OPEN_MAX)
#define XSAVE_MASK_X87_SSE 3u
#define XSAVE_PKRU (1ul << 9)
/* What hook.c, entry.S and a signal at the wrong moment need below sp. */
#define FRAME_REACH (RED_ZONE + F_SIZE + 1024)

/* One function for the way of a miss, whatever the compiler thinks of it. */
#define hot static inline __attribute__((always_inline))

void mmun_live_on_stack(void *top, void (*fn)(void *), void *arg);
void mmun_live_save_vectors(void *area);
void mmun_live_load_vectors(const void *area);

/* Known to entry.S. No mask: the processor has no xsavec. */
uint64_t mmun_live_xsave_mask;
unsigned long mmun_live_xsave_size = 512;
unsigned long mmun_live_call_size;

/* ---- callback stacks: one for each record ---- */

/*
 * PKRU stays out: a callback that opens a protection key means it, and the
 * caller's rights are no part of its vector state.
 */
static void find_vector_state(void)
{
	unsigned int a, b, c, d, lo, hi;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) ||
	    !__get_cpuid_count(13, 1, &a, &b, &c, &d) || !(a & 2))
		return;
	__get_cpuid_count(13, 0, &a, &b, &c, &d);
	__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	/* The size of the uncompacted format bounds the compacted one. */
	mmun_live_xsave_size = (c + 63) & ~63ul;
	mmun_live_xsave_mask = ((uint64_t)hi << 32 | lo) & ~XSAVE_PKRU;
}

int live_hook_init(void)
{
	long p;

	if (mmun_callback_stacks_lo)
		return 0;
	find_vector_state();
	/* entry.S aligns downwards, which may take another 63 bytes. */
	mmun_live_call_size = sizeof(struct live_call) + mmun_live_xsave_size;
	if (mmun_live_call_size > STACK_SIZE / 2)
		return -ENOTSUP;
	p = sys_call6(SYS_mmap, 0, STACKS_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p < 0 && p > -4096)
		return p;
	mmun_callback_stacks_hi = p + STACKS_SIZE;
	__atomic_store_n(&mmun_callback_stacks_lo, p, __ATOMIC_RELEASE);
	return 0;
}

static void *xsave_area(struct live_call *call)
{
	return call + 1;
}

/*
 * The top of the stack that goes with record o. A child forked inside a
 * callback still stands on a stack whose record was wiped, and may get that
 * very record: then below itself.
 */
static struct live_call *call_of(struct open *o, unsigned long sp)
{
	unsigned long lo =
		mmun_callback_stacks_lo + (o - mmun_self.v.open) * STACK_SIZE;
	unsigned long top = lo + STACK_SIZE;

	if (sp > lo && sp < top)
		top = sp - RED_ZONE;
	return (void *)((top - mmun_live_call_size) & ~63ul);
}

/*
 * Run fn(call) below call; where we stand below it already (LIVE_OWN, or a
 * child forked in a callback), below ourselves.
 */
static void on_stack_of(struct live_call *call, void (*fn)(struct live_call *))
{
	unsigned long sp = (unsigned long)__builtin_frame_address(0);
	unsigned long top = (unsigned long)call;

	if (sp < top && top - sp < STACK_SIZE)
		top = (sp - 512) & ~63ul;
	mmun_live_on_stack((void *)top, (void (*)(void *))fn, call);
}

/* ---- before ---- */

/* A record that covers no address, for its stack. */
#define NOWHERE_START (~0ul)
#define NOWHERE_END 1ul

/*
 * Where record i is kept while the frame lives, for open_claim(). What takes
 * its own stack will not come back to close its records: marked as lying
 * below everything, they count as left when the thread raises again.
 */
hot unsigned long kept_at(struct live_frame *f, unsigned int i, bool own_stack)
{
	return unlikely(own_stack) ? OPEN_NEVER_BACK - 1 + i
				   : (unsigned long)&f->open[i];
}

hot void claim(struct live_frame *f, const struct live_change *c,
	       bool own_stack)
{
	unsigned long start = NOWHERE_START, end = NOWHERE_END;

	f->waiters = &mmun_self.v.waiters;
	f->open[1] = NULL;
	/* The first is nested in the second, lower, or that would look left. */
	if (unlikely(c->nr > 1))
		f->open[1] = open_claim(&mmun_self, c->range[1].start,
					c->range[1].end,
					kept_at(f, 1, own_stack));
	if (likely(c->nr)) {
		start = c->range[0].start;
		end = c->range[0].end;
	}
	f->open[0] =
		open_claim(&mmun_self, start, end, kept_at(f, 0, own_stack));
}

static void unclaim(struct live_frame *f, const struct live_change *c)
{
	open_close(&mmun_self, f->open[0]);
	if (c->nr > 1)
		open_close(&mmun_self, f->open[1]);
}

hot bool somebody_is_told(const struct live_change *c)
{
	unsigned int i;

	if (c->text || c->child_stack ||
	    unlikely(__atomic_load_n(&mmun_live_observers, __ATOMIC_RELAXED)))
		return true;
	for (i = 0; i < c->nr; i++)
		if (mm_may_hit(&mmun_self, c->range[i].start,
			       c->range[i].end) &&
		    open_would_hit(&mmun_self, c->range[i].start,
				   c->range[i].end))
			return true;
	return false;
}

/* Will the call take the pages on which our frame is? */
hot bool takes_own_stack(const struct live_frame *f, const struct live_op *op,
			 const struct live_change *c)
{
	unsigned int i;

	if (op->kind != LIVE_CHANGE || op->resolve)
		return false;
	for (i = 0; i < c->nr; i++)
		if (c->range[i].start < f->sp &&
		    c->range[i].end > f->sp - FRAME_REACH)
			return true;
	return false;
}

static void prepare(struct live_frame *f, struct live_call *call,
		    const struct live_op *op, const struct live_change *c)
{
	call->frame = f;
	call->how = op;
	call->change = *c;
	call->claimed = c->nr;
	f->call = call;
}

/*
 * The vector state is saved here and loaded when the other half is over:
 * nobody needs it in between, and moving it is the dearest part of a hit.
 */
static void begin(struct live_frame *f, struct live_call *call,
		  const struct live_op *op, const struct live_change *c)
{
	prepare(f, call, op, c);
	mmun_live_save_vectors(xsave_area(call));
	on_stack_of(call, live_announce_begin);
}

static bool claimed_all(const struct live_frame *f, const struct live_change *c)
{
	return f->open[0] && (c->nr < 2 || f->open[1]);
}

/* The call is told to somebody; all its records are there. */
static __attribute__((noinline)) long announce(struct live_frame *f,
					       const struct live_op *op,
					       const struct live_change *c,
					       bool own_stack)
{
	struct live_call *call = call_of(f->open[0], (unsigned long)f);

	begin(f, call, op, c);
	if (!own_stack)
		return LIVE_HIT;
	mmun_live_load_vectors(xsave_area(call));
	return LIVE_RESUME;
}

/*
 * The frame will not be there when the change is over, so nobody could close
 * what we could not record: it is over now, before it began. (Only where 256
 * changes are under way at once and one takes the stack it runs on.)
 */
static __attribute__((noinline)) long
unrecorded(struct live_frame *f, const struct live_change *c, bool own_stack)
{
	if (!own_stack)
		return LIVE_OWN;
	unclaim(f, c);
	return LIVE_RESUME;
}

hot long change(struct live_frame *f, const struct live_op *op,
		const struct live_change *c)
{
	bool own_stack = takes_own_stack(f, op, c);

	claim(f, c, own_stack);
	if (unlikely(!claimed_all(f, c)))
		return unrecorded(f, c, own_stack);
	if (unlikely(somebody_is_told(c)))
		return announce(f, op, c, own_stack);
	return own_stack ? LIVE_RESUME : LIVE_MISS;
}

/* Out of line, so that the way of all other calls stays short. */
static __attribute__((noinline)) long forks(struct live_frame *f,
					    const struct live_op *op,
					    const struct live_change *c)
{
	return change(f, op, c);
}

/* The process ends: exit_group() does not come back. */
static __attribute__((noinline)) long ends(struct live_frame *f,
					   const struct live_op *op,
					   const struct live_change *c)
{
	struct live_call *call;

	claim(f, c, false);
	if (unlikely(!claimed_all(f, c))) {
		unclaim(f, c);
		return LIVE_RESUME;
	}
	call = call_of(f->open[0], (unsigned long)f);
	prepare(f, call, op, c);
	mmun_live_save_vectors(xsave_area(call));
	on_stack_of(call, live_announce_exit);
	mmun_live_load_vectors(xsave_area(call));
	unclaim(f, c);
	return LIVE_RESUME;
}

/* Is it a task that shares our memory, but is not our process? */
static bool is_foreign_task(void)
{
	return sys_getpid() != mmun_live_v.pid;
}

long mmun_live_pre(struct live_frame *f)
{
	const struct live_op *op = live_op(f->nr);
	struct live_change c;

	if (unlikely(!op))
		return LIVE_RESUME;
	c.nr = 0;
	c.text = c.shares_stack = c.child_stack = false;
	op->decode(f->args, &c);
	if (unlikely(mmun_live_pending))
		c.text = true;
	if (!c.nr && !c.text)
		return LIVE_RESUME;
	if (likely(op->kind == LIVE_CHANGE))
		return change(f, op, &c);
	if (c.shares_stack || (op->kind != LIVE_FORK && is_foreign_task()))
		return LIVE_RESUME;
	c.text = false;
	return op->kind == LIVE_EXIT ? ends(f, op, &c) : forks(f, op, &c);
}

void mmun_live_pre_own(struct live_frame *f, struct live_call *call)
{
	const struct live_op *op = live_op(f->nr);
	struct live_change c = {0};

	op->decode(f->args, &c);
	begin(f, call, op, &c);
}

/* ---- after ---- */

/*
 * A forked child: its records were wiped, nothing is armed, and nobody but
 * observers came with it.
 */
static void post_child(struct live_frame *f)
{
	if (f->sp_out != f->sp_in) /* clone() with a stack for it */
		f->sp = f->sp_out;
	if (mmun_live_observers)
		on_stack_of(f->call, live_announce_child);
}

void mmun_live_post(struct live_frame *f, long result)
{
	struct live_call *call = f->call;
	unsigned int claimed = call->claimed;

	if (call->how->kind == LIVE_FORK && !result) {
		post_child(f);
		mmun_live_load_vectors(xsave_area(call));
		return;
	}
	call->op.result = result;
	on_stack_of(call, live_announce_end);
	mmun_live_load_vectors(xsave_area(call));
	/* The call is gone as soon as the record is. */
	open_close(&mmun_self, f->open[0]);
	if (claimed > 1)
		open_close(&mmun_self, f->open[1]);
}

void mmun_live_wake(void)
{
	open_wake(&mmun_self);
}
