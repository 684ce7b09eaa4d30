#pragma once

#include "runtime/handlers/attempt.hpp"

namespace rowlock::runtime {

// The outcome of work that ended because it was asked to, in time or by force.
outcome stopped_outcome(stop_reason why, bool forced = false);

// A point in time of this process as the work is told it: RFC 3339, or empty for no_deadline.
std::string told_deadline(deadline until);

}
