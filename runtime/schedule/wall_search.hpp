#pragma once

#include "runtime/schedule/zone.hpp"
#include "storage/model/cron.hpp"

#include <optional>

namespace rowlock::runtime {

// The first reading of a clock from `from` up to and without `until` that fits the pattern; the clock shows seconds since 1970 and never jumps.
// Nothing after the year 9999 fits. Pure.
std::optional<epoch_seconds> next_reading(const cron_pattern& pattern, epoch_seconds from, epoch_seconds until);

}
