#pragma once

#include "runtime/async/types.hpp"
#include "storage/model/job.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace rowlock::runtime {

// What becomes of an attempt as time goes on.
enum class limit_event : std::uint8_t {
    none,
    beat_missed,             // another interval went by without a sign of life, and that is still allowed
    heartbeat_lost,          // missed_limit of them did: the attempt has failed
    warned,                  // its timeout is over, and it goes on (WARN)
    extended,                // its timeout is over, and it is given as much again (EXTEND)
    timed_out,               // its timeout is over
    budget_used,             // what a policy lets its run take is over
};

// How long an attempt may go on: its timeout (spec rule 12), its heartbeats (rule 13) and what is left of its run's budget. Work of the runtime itself needs no heartbeats.
// Points in time come in as arguments. Does no I/O.
class time_limits {
public:
    // `budget`: so long it may run, whatever its timeout says; nullopt: no policy says so.
    time_limits(const job_definition& definition, deadline began, std::optional<milliseconds> budget = {});

    // The first thing that has come due by `now`: to be asked again until it says `none`. After heartbeat_lost, timed_out and budget_used there is
    // nothing more. `last_sign`: when the work last gave a sign of life; nullopt: it never did.
    limit_event due(deadline now, std::optional<deadline> last_sign);
    // When something may come due; no_deadline: never.
    deadline next(std::optional<deadline> last_sign) const;

    // When the timeout is over for the first time; no_deadline where there is none.
    deadline first_deadline() const { return std::min(first_deadline_, budget_end_); }
    // When the attempt is timed out at the latest; no_deadline where it never is.
    deadline last_deadline() const;

    // Of EXTEND: how many there were.
    int extensions() const { return extensions_; }
    // Intervals without a sign of life, as far as they have been told of.
    int missed() const { return missed_; }

private:
    limit_event timeout_is_over(std::optional<deadline> last_sign);
    deadline silent_since(std::optional<deadline> last_sign) const;

    timeout_action action_;
    milliseconds timeout_;
    int max_extensions_;
    std::optional<heartbeat_policy> heartbeat_;
    deadline began_;
    deadline first_deadline_;
    deadline budget_end_;
    deadline deadline_;                              // as it stands
    deadline period_began_;                          // a sign of life since then earns an extension
    int extensions_ = 0;
    int missed_ = 0;
    bool over_ = false;
};

}
