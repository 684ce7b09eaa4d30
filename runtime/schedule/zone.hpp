#pragma once

#include "storage/model/error.hpp"

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace rowlock::runtime {

// Seconds since 1970-01-01T00:00:00, of UTC or as the clocks of a zone show them.
using epoch_seconds = std::int64_t;

// The clocks of one time zone. Immutable; shared by threads.
class zone {
public:
    // Later than all that is asked; its negative is earlier.
    static constexpr epoch_seconds always = std::int64_t{1} << 56;

    // A stretch of time, from `begin` up to and without `end`, in which the clocks are `offset` seconds ahead of UTC; beside it they differ.
    struct period {
        epoch_seconds begin = -always;
        epoch_seconds end = always;
        std::int32_t offset = 0;
        std::int32_t offset_before = 0;             // of the period before it; its own where it is the first
        std::int32_t offset_after = 0;
    };

    // UTC.
    zone() : changes_{{-always, 0}} {}
    // The content of a TZif file (RFC 8536), of any version, with a table long or short: what comes after the table goes by the rule in the footer,
    // for ever. Leap seconds are refused. Errors: invalid_request, with a sentence. Pure.
    static result<zone> parse(std::string_view tzif);

    // The period that holds `at`.
    period at(epoch_seconds at) const;

private:
    // From `begin` on the clocks are `offset` ahead.
    struct change {
        epoch_seconds begin;
        std::int32_t offset;
    };

    explicit zone(std::vector<change> changes, bool repeats) : changes_(std::move(changes)), repeats_(repeats) {}

    std::vector<change> changes_;                   // in order; the first begins before everything
    bool repeats_ = false;                          // the last 400 years of the table come again and again, as the calendar does
};
using zone_ptr = std::shared_ptr<const zone>;

}
