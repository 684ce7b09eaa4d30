#include "runtime/handlers/address_rules.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace rowlock::runtime {

namespace ip = boost::asio::ip;

namespace {

struct range4 {
    std::uint32_t network;
    int bits;
};

constexpr std::uint32_t v4(std::uint32_t a, std::uint32_t b, std::uint32_t c)
{
    return a << 24 | b << 16 | c << 8;
}

constexpr std::array<range4, 15> special4{{
    {v4(0, 0, 0), 8},          // this network
    {v4(10, 0, 0), 8},         // private
    {v4(100, 64, 0), 10},      // shared by carriers; clouds keep metadata services here as well
    {v4(127, 0, 0), 8},        // loopback
    {v4(169, 254, 0), 16},     // link-local
    {v4(172, 16, 0), 12},      // private
    {v4(192, 0, 0), 24},       // protocol assignments
    {v4(192, 0, 2), 24},       // documentation
    {v4(192, 88, 99), 24},     // 6to4 relays, withdrawn
    {v4(192, 168, 0), 16},     // private
    {v4(198, 18, 0), 15},      // benchmarks
    {v4(198, 51, 100), 24},    // documentation
    {v4(203, 0, 113), 24},     // documentation
    {v4(224, 0, 0), 4},        // multicast
    {v4(240, 0, 0), 4},        // reserved, broadcast
}};

bool is_public4(std::uint32_t address)
{
    return std::none_of(special4.begin(), special4.end(), [&](const range4& r) { return (address ^ r.network) >> (32 - r.bits) == 0; });
}

using bytes16 = ip::address_v6::bytes_type;

struct range6 {
    std::array<std::uint8_t, 16> network;
    int bits;
};

constexpr std::array<range6, 5> special6{{
    {{0xfc}, 7},                         // unique local
    {{0xfe, 0x80}, 9},                   // link-local, and site-local as it once was
    {{0xff}, 8},                         // multicast
    {{0x01}, 64},                        // discard
    {{0x20, 0x01, 0x0d, 0xb8}, 32},      // documentation
}};

bool within(const bytes16& address, const range6& r)
{
    for (int bit = 0; bit < r.bits; ++bit) {
        const auto at = static_cast<std::size_t>(bit / 8);
        if (((address[at] ^ r.network[at]) >> (7 - bit % 8) & 1) != 0) return false;
    }
    return true;
}

std::uint32_t carried(const bytes16& b, std::size_t at)
{
    return std::uint32_t{b[at]} << 24 | std::uint32_t{b[at + 1]} << 16 | std::uint32_t{b[at + 2]} << 8 | b[at + 3];
}

bool is_public6(const bytes16& b)
{
    constexpr range6 mapped{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96};
    constexpr range6 compatible{{}, 96};             // with :: and ::1, whose "IPv4 addresses" are 0.0.0.0 and 0.0.0.1
    constexpr range6 nat64{{0x00, 0x64, 0xff, 0x9b}, 96};
    constexpr range6 nat64_local{{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48};
    constexpr range6 six_to_four{{0x20, 0x02}, 16};
    if (within(b, nat64_local)) return false;
    if (within(b, mapped) || within(b, compatible) || within(b, nat64)) return is_public4(carried(b, 12));
    if (within(b, six_to_four)) return is_public4(carried(b, 2));
    return std::none_of(special6.begin(), special6.end(), [&](const range6& r) { return within(b, r); });
}

}

bool is_public(const ip::address& address)
{
    return address.is_v4() ? is_public4(address.to_v4().to_uint()) : is_public6(address.to_v6().to_bytes());
}

}
