/* SPDX-License-Identifier: MIT */
/*
 * tools/demo_uring.c - io_uring with a registered buffer.
 *
 * The kernel pins the pages of a registered buffer once. A fixed read or
 * write names a slot and an address, but goes to the pinned pages, whatever
 * is mapped at the address by then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demo.h"

#ifdef HAVE_LIBURING

#include <liburing.h>

#include "demo_reference.h"

#define IO_BYTES 4096
#define ROUNDS 40
#define IOS_PER_ROUND 4
/* The file: blocks to read, all different, and one to write. */
#define READ_BLOCKS 16
#define WRITE_BLOCK READ_BLOCKS

struct uring {
	struct reference ref; /* watches the registered buffer */
	struct io_uring ring;
	int fd;
	bool protect;
	char *buf;
	struct outcome *out;
	int way;
};

static struct uring *to_uring(struct reference *ref)
{
	return (struct uring *)((char *)ref - offsetof(struct uring, ref));
}

/* Pin the pages that are at the address now. */
static int register_buffer(struct uring *u)
{
	struct iovec v = {u->buf, DEMO_BYTES};
	__u64 tag = 0;
	int n = io_uring_register_buffers_update_tag(&u->ring, 0, &v, &tag, 1);

	return n < 0 ? n : 0;
}

static int renew(struct reference *ref)
{
	return register_buffer(to_uring(ref));
}

static int complete(struct uring *u)
{
	struct io_uring_cqe *cqe;
	int ret = io_uring_submit_and_wait(&u->ring, 1);

	if (ret < 0)
		return ret;
	ret = io_uring_wait_cqe(&u->ring, &cqe);
	if (ret < 0)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(&u->ring, cqe);
	return ret;
}

static int fixed_io(struct uring *u, bool write, char *p, unsigned int block)
{
	struct io_uring_sqe *sqe;
	int ret = u->protect ? reference_refresh(&u->ref) : 0;

	if (ret)
		return ret;
	sqe = io_uring_get_sqe(&u->ring);
	if (write)
		io_uring_prep_write_fixed(sqe, u->fd, p, IO_BYTES,
					  (__u64)block * IO_BYTES, 0);
	else
		io_uring_prep_read_fixed(sqe, u->fd, p, IO_BYTES,
					 (__u64)block * IO_BYTES, 0);
	ret = complete(u);
	if (ret < 0)
		return ret;
	return ret == IO_BYTES ? 0 : -EIO;
}

static void fill_block(char *p, unsigned int seed)
{
	for (unsigned int i = 0; i < IO_BYTES; i++)
		p[i] = (char)(seed * 31 + i * 7 + (i >> 8) + 1);
}

static void count(struct uring *u, bool wrong, bool write)
{
	u->out->tries[u->way]++;
	u->out->wrong[u->way] += wrong;
	if (write)
		u->out->wrong_writes += wrong;
	else
		u->out->wrong_reads += wrong;
}

/* READ_FIXED says 4096: is what the file holds in the buffer? */
static int try_read(struct uring *u, unsigned int round)
{
	char want[IO_BYTES], *p = u->buf + round % 16 * IO_BYTES;
	int ret;

	fill_block(want, round % READ_BLOCKS);
	memset(p, 'o', IO_BYTES);
	ret = fixed_io(u, false, p, round % READ_BLOCKS);
	if (!ret)
		count(u, memcmp(p, want, IO_BYTES) != 0, false);
	return ret;
}

/* WRITE_FIXED says 4096: is what the buffer holds in the file? */
static int try_write(struct uring *u, unsigned int round)
{
	char got[IO_BYTES], *p = u->buf + round % 16 * IO_BYTES;
	int ret;

	fill_block(p, 1000 + round);
	ret = fixed_io(u, true, p, WRITE_BLOCK);
	if (ret)
		return ret;
	if (pread(u->fd, got, IO_BYTES, WRITE_BLOCK * IO_BYTES) != IO_BYTES)
		return -EIO;
	count(u, memcmp(p, got, IO_BYTES) != 0, true);
	return 0;
}

static int read_and_write(struct uring *u, unsigned int round)
{
	int ret = try_read(u, round);

	return ret ? ret : try_write(u, round);
}

/* A buffer is registered, used, replaced behind io_uring's back, used. */
static int play_round(struct uring *u, const struct way *way, struct area *area,
		      unsigned int round)
{
	int ret;

	/* Leave nothing stale behind from the round before. */
	memset(u->buf, 's', DEMO_BYTES);
	ret = register_buffer(u);
	if (!ret)
		ret = read_and_write(u, round);
	if (!ret)
		ret = way->lose(area);
	if (!ret)
		ret = read_and_write(u, round + 1);
	return ret;
}

static int play_rounds(struct uring *u, const struct way *way,
		       struct area *area)
{
	int ret = 0;

	u->buf = area->buf;
	memset(&u->ref, 0, sizeof(u->ref));
	u->ref.renew = renew;
	if (u->protect)
		ret = reference_watch(&u->ref, u->buf, DEMO_BYTES);
	for (unsigned int i = 0; !ret && i < ROUNDS; i++)
		ret = play_round(u, way, area, 2 * i);
	if (u->protect)
		mmu_interval_notifier_remove(&u->ref.mni);
	u->out->renewed += u->ref.renewed;
	return ret;
}

static int play(struct uring *u, const struct way *way)
{
	struct area area;
	int ret = way->get(&area);

	if (ret)
		return ret;
	ret = play_rounds(u, way, &area);
	way->put(&area);
	return ret;
}

static int make_file(void)
{
	const char *dir = getenv("TMPDIR");
	char path[4096], block[IO_BYTES];
	int fd;

	snprintf(path, sizeof(path), "%s/mmun-demo.XXXXXX",
		 dir && *dir ? dir : "/tmp");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(path);
	for (unsigned int i = 0; i <= READ_BLOCKS; i++) {
		fill_block(block, i);
		if (pwrite(fd, block, IO_BYTES, (off_t)i * IO_BYTES) !=
		    IO_BYTES) {
			close(fd);
			return -EIO;
		}
	}
	return fd;
}

/* One slot, with any memory in it at first: Linux 5.13 is enough. */
static int make_ring(struct uring *u)
{
	static char first[IO_BYTES] __attribute__((aligned(4096)));
	struct iovec v = {first, sizeof(first)};
	int ret = io_uring_queue_init(8, &u->ring, 0);

	if (ret)
		return ret;
	ret = io_uring_register_buffers(&u->ring, &v, 1);
	if (ret)
		io_uring_queue_exit(&u->ring);
	return ret;
}

static int play_all(struct uring *u)
{
	int ret = 0;

	for (u->way = 0; !ret && u->way < DEMO_WAYS; u->way++)
		ret = play(u, &demo_ways[u->way]);
	return ret;
}

static void run_uring(bool protect, struct outcome *out)
{
	struct uring u = {.protect = protect, .out = out};

	u.fd = make_file();
	out->error = u.fd < 0 ? u.fd : make_ring(&u);
	if (!out->error) {
		out->error = play_all(&u);
		io_uring_queue_exit(&u.ring);
	}
	if (u.fd >= 0)
		close(u.fd);
}

#else /* !HAVE_LIBURING */

static void run_uring(bool protect, struct outcome *out)
{
	out->error = -ENOSYS;
}

#endif

const struct consumer demo_uring = {
	.name = "uring",
	.title = "io_uring with a registered buffer: fixed reads and writes "
		 "that reported success",
	.tries = "I/Os",
	.reads = "reads reported 4096 bytes and left the old ones in the "
		 "buffer",
	.writes = "writes put freed memory into the file",
	.renewed = "times the buffer was registered anew, when its pages "
		   "had gone",
	.run = run_uring,
};
