#include "api/trace.hpp"

#include "storage/model/ids.hpp"

#include <algorithm>
#include <cstdint>

namespace rowlock::api {

namespace {

bool is_hex(std::string_view text)
{
    return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_zero(std::string_view text)
{
    return text.find_first_not_of('0') == std::string_view::npos;
}

bool is_sane(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || std::string_view("-._:/+=@").find(c) != std::string_view::npos;
}

}

void choose_request_id(std::string_view given, std::string& out)
{
    if (!given.empty() && given.size() <= 128 && std::all_of(given.begin(), given.end(), is_sane)) {
        out.assign(given);
        return;
    }
    // A random number for each thread and a counter: no system call for a request.
    thread_local const std::string prefix = random_uuid().str().substr(0, 23);
    thread_local std::uint64_t counter = 0;
    constexpr char digits[] = "0123456789abcdef";
    char tail[13];
    tail[0] = '-';
    const std::uint64_t n = counter++;
    for (int i = 0; i < 12; ++i) tail[12 - i] = digits[(n >> (4 * i)) & 15];
    out.assign(prefix).append(tail, sizeof tail);
}

std::string_view valid_trace_parent(std::string_view given)
{
    constexpr std::size_t length = 55;
    if (given.size() < length || given[2] != '-' || given[35] != '-' || given[52] != '-') return {};
    const auto version = given.substr(0, 2);
    const auto trace = given.substr(3, 32);
    const auto parent = given.substr(36, 16);
    if (!is_hex(version) || version == "ff" || !is_hex(trace) || is_zero(trace) || !is_hex(parent) || is_zero(parent) || !is_hex(given.substr(53, 2))) return {};
    if (given.size() > length && (version == "00" || given[length] != '-')) return {};
    // What later versions add after the flags is not ours to pass on.
    return given.substr(0, length);
}

}
