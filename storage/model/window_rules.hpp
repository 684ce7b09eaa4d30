#pragma once

#include "storage/model/schedule.hpp"

#include <boost/json/array.hpp>
#include <string_view>
#include <vector>

namespace rowlock {

// Execution windows as the database keeps them beside the queue (lane_windows): [{"start": s, "end": s, "days": bits, "timezone": name}], the times in seconds since
// midnight. Not the form in which definitions have them.
boost::json::array window_rules(const std::vector<execution_window>& windows);
// The same read back. Throws std::logic_error: only what window_rules wrote is there.
std::vector<execution_window> parse_window_rules(std::string_view text);

}
