/* ferry.h - everything of libferry: addresses, listeners, channels, auto: channels, identity,
 * policy, profiles, the loop, the relay, the ring, the fan-in, the window. See libferry(3). */
#ifndef FERRY_FERRY_H
#define FERRY_FERRY_H

#include <ferry/address.h>
#include <ferry/auto.h>
#include <ferry/channel.h>
#include <ferry/error.h>
#include <ferry/fan_in.h>
#include <ferry/identity.h>
#include <ferry/listener.h>
#include <ferry/loop.h>
#include <ferry/policy.h>
#include <ferry/profile.h>
#include <ferry/relay.h>
#include <ferry/ring.h>
#include <ferry/window.h>

#define FERRY_VERSION_MAJOR 0
#define FERRY_VERSION_MINOR 1

#endif
