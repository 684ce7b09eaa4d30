#pragma once

#include "storage/model/schedule.hpp"

#include <array>
#include <cstdint>
#include <ctime>
#include <map>
#include <string>
#include <string_view>
#include <vector>

// Cron a second time, as slowly and plainly as it can be said, to compare with: it asks each instant what the clock shows there, and each part of
// an expression whether that fits. It shares no code with the product; zones come from the C library.
namespace rowlock::naive {

class expression {
public:
    explicit expression(std::string_view text);

    bool any_hour() const { return hour_.front() == '*'; }
    bool fits_day(int year, int month, int day) const;
    // `reading`: seconds since 1970 as a clock shows them.
    bool fits(std::int64_t reading) const;

private:
    std::string second_, minute_, hour_, day_, month_, weekday_;
    // What was asked before.
    std::array<bool, 60> seconds_{}, minutes_{};
    std::array<bool, 24> hours_{};
    mutable std::map<std::int64_t, bool> days_;
};

// The zone of the C library while it lives; one at a time.
class zone_in_force {
public:
    explicit zone_in_force(const std::string& name);
    ~zone_in_force();
    zone_in_force(const zone_in_force&) = delete;
    zone_in_force& operator=(const zone_in_force&) = delete;

    // What the clock shows.
    static std::int64_t reading_at(std::int64_t at);
};

// What a clock shows at each step of a stretch of time.
struct stretch {
    std::int64_t begin;
    std::int64_t step;                       // a minute or a second
    std::vector<std::int64_t> readings;
    std::vector<bool> shown_before, shown_again;
};
stretch read_clock(std::int64_t begin, std::int64_t step, std::size_t steps);

// Every tick within it.
std::vector<std::int64_t> ticks_in(const stretch& all, const expression& cron, dst_gap gap, dst_overlap overlap);

}
