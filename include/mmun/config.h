/* SPDX-License-Identifier: MIT */
/*
 * mmun/config.h - CONFIG_MMU_NOTIFIER, on unless built with
 * -DCONFIG_MMU_NOTIFIER=0.
 *
 * With 0 the notifier headers type-check every call and generate no code, and
 * the macro is left undefined so that a driver's own #ifdef works.
 */
#ifndef MMUN_CONFIG_H
#define MMUN_CONFIG_H

#ifndef CONFIG_MMU_NOTIFIER
#define CONFIG_MMU_NOTIFIER 1
#elif !(CONFIG_MMU_NOTIFIER + 0)
#undef CONFIG_MMU_NOTIFIER
#endif

#endif /* MMUN_CONFIG_H */
