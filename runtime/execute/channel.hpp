#pragma once

#include "storage/model/ids.hpp"

#include <string>

namespace rowlock::runtime {

// The channel on which instances wake each other. The payload is the id of whoever notifies, so that it does not wake itself; any
// other payload wakes everybody.
inline constexpr const char* wake_channel = "rowlock_wake";

// Says that an instance has taken in what a target reports of an attempt of another one. Wakes nothing else.
inline constexpr const char* callback_payload = "callback";

inline std::string wake_payload(instance_id from)
{
    return std::to_string(from.value);
}

}
