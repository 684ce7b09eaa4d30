#include "runtime/handlers/stopped.hpp"

namespace rowlock::runtime {

outcome stopped_outcome(stop_reason why, bool forced)
{
    outcome o;
    switch (why) {
    case stop_reason::timeout: o.status = execution_status::timeout; break;
    case stop_reason::heartbeat_lost: o.status = execution_status::failed; break;
    case stop_reason::none:
    case stop_reason::cancelled:
    case stop_reason::handed_back:
    case stop_reason::lease_lost: o.status = execution_status::cancelled; break;
    }
    o.termination = forced ? "FORCED" : "GRACEFUL";
    return o;
}

std::string told_deadline(deadline until)
{
    if (until == no_deadline) return {};
    return to_rfc3339(wall_clock() + std::chrono::floor<std::chrono::microseconds>(until - steady_clock::now()));
}

}
