#pragma once

#include "ops/config/settings.hpp"

namespace rowlock::ops {

// Sets up the log of a server, on stderr: one JSON object a line, or text for a terminal (log_format::automatic decides by what
// stderr is). Events (runtime/observe/event_log.hpp) become members of the object.
void set_up_logging(log_level level, log_format format);

}
