#include "api/http_figures.hpp"

#include <algorithm>

namespace rowlock::api {

void http_figures::answered(std::size_t route, int status, std::chrono::microseconds took, bool held)
{
    const auto status_class = std::clamp<std::size_t>(static_cast<std::size_t>(status) / 100, 1, status_classes) - 1;
    add(requests[std::min(route, most_routes - 1)][status_class], std::uint64_t{1});
    if (held) return;
    const auto us = static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 0));
    const auto bucket = static_cast<std::size_t>(std::lower_bound(bounds_us.begin(), bounds_us.end(), us) - bounds_us.begin());
    add(durations[bucket], std::uint64_t{1});
    add(duration_sum_us, us);
}

}
