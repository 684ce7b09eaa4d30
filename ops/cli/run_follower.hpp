#pragma once

#include "ops/cli/context.hpp"

#include <boost/json/value.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace rowlock::ops {

// Waits by long polls until the run of an execution has ended, and gives its last attempt. `limit`: nullopt = as long as it takes. Where the limit
// passes first, what there is then; has_ended() tells.
outcome_of<boost::json::value> wait_for_run(context& c, const std::string& execution_id, std::optional<std::chrono::seconds> limit);

// The same, with the log of every attempt going to `sink` while it is written.
outcome_of<boost::json::value> follow_run(context& c, const std::string& execution_id, const http_client::piece_sink& sink);

}
