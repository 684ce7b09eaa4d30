#pragma once

#include "runtime/execute/submit.hpp"
#include "runtime/limits/machine_sampler.hpp"
#include "runtime/limits/pressure.hpp"
#include "storage/model/error.hpp"
#include "storage/model/time.hpp"

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

namespace rowlock::runtime {

struct pressure_options {
    pressure_rules rules{};                          // by default nothing is watched
    std::chrono::milliseconds interval{5000};
    machine_places places{};
    int reject_below = 0;                            // submissions of a priority below this are refused by reject_low_priority
};

// How an instance is, in the words of those who ask.
struct pressure_report {
    struct item {
        resource what{};
        resource_sample last{};
        pressure_bounds bounds{};
        bool pressed = false;
        std::optional<timestamp> since{};            // of what is pressed
    };
    std::vector<item> watched{};
    action_set actions{};
    std::string disk_path{};                         // the disk that is meant
    std::chrono::seconds recovery{1};                // at the earliest
    int reject_below = 0;

    bool any() const;
};

// "MEMORY at 97.2 %, short from 95 % on; DISK ..."; of what is pressed.
std::string words_of(const pressure_report& report);
// "QUEUE_ALL, REJECT_LOW_PRIORITY"; "nothing".
std::string words_of(action_set actions);

// {"resources": [{"resource", "usage_percent", "threshold_percent", "since"}], "actions": [...]}: of what is pressed. For the instance's row.
boost::json::object pressed_json(const pressure_report& report);
// The same of all that is watched, with `low_percent` and `under_pressure`.
boost::json::object health_json(const pressure_report& report);
// ResourceExhaustionError (004), but for what the database knows: affected_jobs and queued_count.
boost::json::object exhaustion_json(const pressure_report& report, const pressure_report::item& of);

// Why this request is refused while low priorities are: it has something, for now, of a priority below `reject_below`. Pure.
std::optional<error> refusal_under_pressure(const submit_request& request, const pressure_report& report, timestamp now);

}
