#pragma once

#include "storage/model/error.hpp"
#include "storage/model/time.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::runtime {

// Seconds since 1970-01-01T00:00:00, as the clocks of a zone show them, or in UTC.
using epoch_seconds = std::int64_t;

// When a zone changes its clocks each year for ever after its table ends: the footer of a TZif file (RFC 8536, section 3.3).
struct yearly_change {
    enum class form : std::uint8_t { day_without_leap, day_with_leap, weekday_of_month };
    form kind = form::weekday_of_month;
    int day = 0;               // 1..365 without 29 February; 0..365 with it; else the weekday, Sunday is 0
    int week = 0;              // 1..5, 5 the last
    int month = 0;
    std::int32_t at = 0;       // seconds since midnight of the clocks that are in force before it; may be negative or beyond a day
};

// The clocks of one time zone. Immutable; shared by threads.
class zone {
public:
    // A stretch of time, from `begin` up to and without `end`, in which the clocks are `offset` ahead of UTC.
    struct period {
        epoch_seconds begin = 0;
        epoch_seconds end = 0;
        std::int32_t offset = 0;
    };

    // Before everything, and after everything that is asked.
    static constexpr epoch_seconds always = std::int64_t{1} << 56;

    // UTC.
    zone();
    // Reads the content of a TZif file, versions 1 to 4. Errors: invalid_request, with a sentence. Pure.
    static result<zone> parse(std::string_view tzif);

    // The period that holds `at`; periods beside each other differ in their offsets.
    period at(epoch_seconds at) const;

private:
    struct footer {
        std::int32_t standard = 0;
        std::int32_t daylight = 0;
        bool has_daylight = false;
        yearly_change starts{};          // of daylight saving time
        yearly_change ends{};
    };

    static std::optional<footer> parse_footer(std::string_view text);
    period after_table(epoch_seconds at) const;

    // Offset offsets_[i] holds from begins_[i] to begins_[i + 1], the last one until the footer's rule takes over.
    std::vector<epoch_seconds> begins_;
    std::vector<std::int32_t> offsets_;
    std::optional<footer> footer_;
};
using zone_ptr = std::shared_ptr<const zone>;

}
