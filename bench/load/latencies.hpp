#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <optional>
#include <vector>

namespace rowlock::bench {

// Every latency that was seen, so percentiles are exact. Eight bytes each.
class latencies {
public:
    void add(std::chrono::nanoseconds one) { all_.push_back(one); }
    void add(const latencies& others) { all_.insert(all_.end(), others.all_.begin(), others.all_.end()); }

    // In milliseconds, by the nearest rank; nullopt where nothing was seen. `share` is within 0..1.
    std::optional<double> percentile_ms(double share)
    {
        if (all_.empty()) return std::nullopt;
        const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(all_.size())));
        const auto at = all_.begin() + static_cast<std::ptrdiff_t>(std::clamp(rank, std::size_t{1}, all_.size()) - 1);
        std::nth_element(all_.begin(), at, all_.end());
        return std::chrono::duration<double, std::milli>(*at).count();
    }

private:
    std::vector<std::chrono::nanoseconds> all_{};
};

}
