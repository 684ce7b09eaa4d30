#include "runtime/handlers/stopped.hpp"

namespace rowlock::runtime {

outcome stopped_outcome(stop_reason why, bool forced)
{
    outcome o;
    o.status = why == stop_reason::timeout ? execution_status::timeout : execution_status::cancelled;
    o.termination = forced ? "FORCED" : "GRACEFUL";
    return o;
}

std::string told_deadline(deadline until)
{
    if (until == no_deadline) return {};
    return to_rfc3339(wall_clock() + std::chrono::floor<std::chrono::microseconds>(until - steady_clock::now()));
}

}
