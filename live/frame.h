/* SPDX-License-Identifier: MIT */
/*
 * live/frame.h - offsets that entry.S and C share; live.h checks them.
 */
#ifndef MMUN_LIVE_FRAME_H
#define MMUN_LIVE_FRAME_H

#define F_RDI 0
#define F_RSI 8
#define F_RDX 16
#define F_R10 24
#define F_R8 32
#define F_R9 40
#define F_NR 48
#define F_FLAGS 56
#define F_SITE 64
#define F_BP 72
#define F_SP 80
#define F_OPEN0 88
#define F_OPEN1 96
#define F_WAITERS 104
#define F_CALL 112
#define F_SP_IN 120
#define F_SP_OUT 128
#define F_SIZE 136

#define SITE_FAST 0
#define SITE_BACK 8

#define LIVE_RESUME 0
#define LIVE_MISS 1
#define LIVE_HIT 2
#define LIVE_OWN 3

#define RED_ZONE 128

#endif /* MMUN_LIVE_FRAME_H */
