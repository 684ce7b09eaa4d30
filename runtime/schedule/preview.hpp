#pragma once

#include "storage/model/error.hpp"
#include "storage/model/schedule.hpp"
#include "storage/model/time.hpp"

#include <boost/json/object.hpp>
#include <cstddef>
#include <string>
#include <vector>

namespace rowlock::runtime {

class zone_database;

inline constexpr std::size_t most_previewed = 1000;

// What a schedule that nobody has stored would do.
struct schedule_preview {
    schedule_spec schedule;
    std::vector<timestamp> fire_times;              // in order; fewer than were asked for where it ends before
};

// `asked`: the members of a schedule, and `after` (`now` where it is left out) and `count` (1 to most_previewed, 10). An INTERVAL without start_date
// is anchored at `after`. Errors: invalid_request, invalid_cron, invalid_timezone, schedule_conflict, with all that is wrong by field. Reads the
// zone's file.
result<schedule_preview> preview(const boost::json::object& asked, zone_database& zones, timestamp now, const std::string& default_zone);

// {"fire_times": [RFC 3339 in UTC]}
boost::json::object to_json(const std::vector<timestamp>& fire_times);

}
