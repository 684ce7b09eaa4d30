#include "runtime/execute/checkpoint_pace.hpp"

namespace rowlock::runtime {

checkpoint_pace::verdict checkpoint_pace::offered(std::size_t size, const std::string& stage, deadline now)
{
    if (size > static_cast<std::size_t>(policy_.max_bytes)) return verdict::refuse;
    if (policy_.on_stage && is_new(stage)) return verdict::keep;
    return due() <= now ? verdict::keep : verdict::wait;
}

bool checkpoint_pace::is_new(const std::string& stage)
{
    return !stage.empty() && stages_.size() < most_stages && stages_.insert(stage).second;
}

deadline checkpoint_pace::due() const
{
    if (!policy_.interval || !last_kept_) return deadline::min();
    if (*policy_.interval >= std::chrono::floor<milliseconds>(no_deadline - *last_kept_)) return no_deadline;
    return *last_kept_ + *policy_.interval;
}

}
