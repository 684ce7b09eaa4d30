#pragma once

#include "storage/model/error.hpp"
#include "storage/model/time.hpp"

#include <array>
#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock {

// The codes are kept in the database.
enum class schedule_type : std::uint8_t { cron = 0, interval = 1, once = 2 };
inline constexpr std::array<std::string_view, 3> schedule_type_names{"CRON", "INTERVAL", "ONCE"};
std::string_view name_of(schedule_type type);

// What becomes of a time that a zone leaves out when its clocks go forward: it fires at the first instant after the gap, or not at all.
enum class dst_gap : std::uint8_t { fire_after, skip };
inline constexpr std::array<std::string_view, 2> dst_gap_names{"FIRE_AFTER", "SKIP"};

// What becomes of a time that comes twice when the clocks go back: it fires the first time, the second, or both times.
enum class dst_overlap : std::uint8_t { first, second, both };
inline constexpr std::array<std::string_view, 3> dst_overlap_names{"FIRST", "SECOND", "BOTH"};

// When a job is to run (spec J2), as a definition says it. The ticks of a CRON schedule are the seconds whose wall-clock reading in `timezone`
// fits the expression. Those of an INTERVAL schedule are start_date plus 0, 1, 2, ... intervals of elapsed time, or where there is none the time
// of registration plus 1, 2, 3, ... intervals. ONCE has one tick, run_at. None is before start_date; none is at or after end_date.
struct schedule_spec {
    std::string schedule_id;                        // the job_id where none was given; unique in a tenant
    schedule_type type = schedule_type::cron;
    std::string cron_expression{};                  // CRON: as it was given; it parses (storage/model/cron.hpp)
    std::chrono::seconds interval{0};               // INTERVAL: at least 1
    std::optional<timestamp> run_at{};              // ONCE: there
    // An IANA name; SCHEDULER_TIMEZONE_DEFAULT where none was given, as it was when the definition was put. Whether there is such a zone is asked
    // where definitions are put, and again at each compile (runtime/schedule/next_fire.hpp), since the system's data can change.
    std::string timezone = "UTC";
    std::optional<timestamp> start_date{};
    std::optional<timestamp> end_date{};
    bool skip_if_running = false;                   // a tick that comes while an execution of the job has not ended makes none
    bool queue_if_running = false;                  // such a tick's execution waits for that end instead; not both
    bool catchup_enabled = false;
    std::optional<int> max_catchup_runs{};          // the latest so many of the missed ticks; none: SCHEDULER_CATCHUP_LIMIT
    std::chrono::milliseconds tolerance{60'000};    // a tick that is later than this was missed
    std::chrono::milliseconds jitter{0};            // a tick starts up to so much later, by chance; its scheduled_time stays
    std::optional<int> max_concurrent_runs{};       // at least 1
    bool enabled = true;
    // CRON. None: times of a schedule whose hours are given fire once, at the end of a gap, and at the first of two; a schedule whose hour field
    // begins with `*` goes by the instants: what the clock skips does not fire, and what it shows twice fires twice.
    std::optional<dst_gap> gap{};
    std::optional<dst_overlap> overlap{};
    std::map<std::string, std::string> tags{};
};

// The `schedule` of a stored definition, which names its id, its type and its zone, read back. Errors: those of its fields.
result<schedule_spec> parse_schedule(const boost::json::object& document);

inline constexpr std::size_t longest_zone_name = 128;
inline constexpr std::size_t most_windows = 32;     // of a definition

// Days of the week as bits: Sunday is bit 0, Saturday bit 6.
using weekday_set = std::uint8_t;
inline constexpr weekday_set every_weekday = 0x7f;

// Hours of the day in which executions may start (rule 17): from `start` up to and without `end`, by the clocks of `timezone`. Where end is not
// after start the window goes on past midnight, and belongs to the day on which it starts; equal ones make a whole day.
struct execution_window {
    std::chrono::seconds start{0};                  // since midnight, 00:00:00 to 23:59:59
    std::chrono::seconds end{0};                    // 00:00:00 to 24:00:00
    weekday_set days = every_weekday;               // on which it starts; never empty
    std::string timezone = "UTC";
};

// A zone that a body names, and where: "schedule.timezone".
struct zone_to_check {
    std::string field;
    std::string name;
};
// The zones that a definition as it was given names, whether or not the rest of it can be read, so that all of its errors come back at once. Pure.
std::vector<zone_to_check> zones_named_in(const boost::json::object& definition);

}
