#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>

namespace rowlock::runtime {

class zone_database;

// A schedule as it was given, with times in place of the plain days ("2026-11-22") that start_date and end_date may be: the instant at which the day begins by the clocks
// of the schedule's zone (`default_zone` where it names none). nullopt: it names no days. What is no real day, or of a zone that is not known, stays, and is
// refused where the schedule is read.
std::optional<boost::json::object> with_days_as_times(const boost::json::object& schedule, zone_database& zones, const std::string& default_zone);

// The same of a definition with a `schedule`.
std::optional<boost::json::object> definition_with_days_as_times(const boost::json::object& definition, zone_database& zones, const std::string& default_zone);

}
