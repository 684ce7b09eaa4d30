#include "runtime/handlers/attempt.hpp"

#include <utility>

namespace rowlock::runtime {

void attempt::on_stop(std::function<void()> act)
{
    if (stopped_ != stop_reason::none && act) {
        act();
        return;
    }
    on_stop_ = std::move(act);
}

void attempt::request_stop(stop_reason why)
{
    const bool too_late = work_ended_ && why == stop_reason::handed_back;
    if ((stopped_ == stop_reason::none && !too_late) || why == stop_reason::lease_lost) stopped_ = why;
    if (auto act = std::exchange(on_stop_, {})) act();
}

}
