#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace rowlock {

// 128 bits in network order; its text is the canonical 8-4-4-4-12 in lower case.
struct uuid {
    std::array<std::uint8_t, 16> bytes{};

    auto operator<=>(const uuid&) const = default;

    // Only the canonical form (either case); anything else is nullopt.
    static std::optional<uuid> parse(std::string_view text);
    std::string str() const;
    // Writes 36 characters to `out` and returns the end; for hot paths.
    char* write(char* out) const;
};

// Version 4, from the system's random source.
uuid random_uuid();

// The parts of an execution id (UUIDv7): 48 bits of milliseconds, a block of 54 bits (the maker's slot, 16, and its counter, 38)
// and an ordinal of 20. Executions that are queued together share the block and lie side by side, so a contiguous run of
// them is a range of the primary key. See migrations/0001_foundation.sql for the same layout in SQL.
struct execution_id {
    uuid value;

    auto operator<=>(const execution_id&) const = default;

    static constexpr std::uint32_t max_ordinal = (1u << 20) - 1;

    static execution_id make(std::uint64_t milliseconds, std::uint64_t block, std::uint32_t ordinal);
    static std::optional<execution_id> parse(std::string_view text);
    std::uint64_t milliseconds() const;              // since 1970: when it was made, by the clock of its maker
    std::uint32_t ordinal() const;
    execution_id with_ordinal(std::uint32_t ordinal) const;
    std::string str() const { return value.str(); }
};

// Small integers that must not be mixed up. `value` is what the database holds.
template <class Tag>
struct key {
    std::int32_t value = 0;
    auto operator<=>(const key&) const = default;
};
using tenant_key = key<struct tenant_tag>;
using job_key = key<struct job_tag>;
using lane_id = key<struct lane_tag>;
using instance_id = key<struct instance_tag>;
using fence = key<struct fence_tag>;

// The tenant of everybody who names none; migration 0002 makes it with this key.
inline constexpr tenant_key default_tenant{1};

// [a-z0-9][a-z0-9._-]{0,127}: job ids, tenant ids and the like.
bool is_slug(std::string_view text);

}

template <>
struct std::hash<rowlock::uuid> {
    std::size_t operator()(const rowlock::uuid& id) const noexcept;
};
template <>
struct std::hash<rowlock::execution_id> {
    std::size_t operator()(const rowlock::execution_id& id) const noexcept { return std::hash<rowlock::uuid>{}(id.value); }
};
template <class Tag>
struct std::hash<rowlock::key<Tag>> {
    std::size_t operator()(const rowlock::key<Tag>& k) const noexcept { return std::hash<std::int32_t>{}(k.value); }
};
