#include "storage/model/time.hpp"

#include <fmt/format.h>

namespace rowlock {

std::string to_rfc3339(timestamp at)
{
    const auto day = std::chrono::floor<std::chrono::days>(at);
    const std::chrono::year_month_day date{day};
    const auto micros = (at - day).count();
    const auto seconds = micros / 1'000'000;
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                       static_cast<unsigned>(date.day()), seconds / 3600, seconds / 60 % 60, seconds % 60, micros % 1'000'000);
}

namespace {

// Takes exactly `n` digits off the front of `text`.
std::optional<int> take_digits(std::string_view& text, std::size_t n)
{
    if (text.size() < n) return std::nullopt;
    int value = 0;
    for (std::size_t i = 0; i < n; ++i) {
        if (text[i] < '0' || text[i] > '9') return std::nullopt;
        value = value * 10 + (text[i] - '0');
    }
    text.remove_prefix(n);
    return value;
}

bool take(std::string_view& text, char c)
{
    if (text.empty() || text.front() != c) return false;
    text.remove_prefix(1);
    return true;
}

}

std::optional<timestamp> parse_rfc3339(std::string_view text)
{
    using namespace std::chrono;
    const auto y = take_digits(text, 4);
    if (!y || !take(text, '-')) return std::nullopt;
    const auto mo = take_digits(text, 2);
    if (!mo || !take(text, '-')) return std::nullopt;
    const auto d = take_digits(text, 2);
    if (!d || !(take(text, 'T') || take(text, 't') || take(text, ' '))) return std::nullopt;
    const auto h = take_digits(text, 2);
    if (!h || !take(text, ':')) return std::nullopt;
    const auto mi = take_digits(text, 2);
    if (!mi || !take(text, ':')) return std::nullopt;
    const auto s = take_digits(text, 2);
    if (!s) return std::nullopt;
    const year_month_day date{year{*y}, month{static_cast<unsigned>(*mo)}, day{static_cast<unsigned>(*d)}};
    if (!date.ok() || *y < 1970 || *h > 23 || *mi > 59 || *s > 60) return std::nullopt;

    std::int64_t micros = 0;
    if (take(text, '.')) {
        std::size_t digits = 0;
        for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; ++digits, text.remove_prefix(1)) {
            if (digits < 6) micros = micros * 10 + (text.front() - '0');
        }
        if (digits == 0 || digits > 9) return std::nullopt;
        for (; digits < 6; ++digits) micros *= 10;
    }
    minutes offset{0};
    if (!take(text, 'Z') && !take(text, 'z')) {
        const bool west = take(text, '-');
        if (!west && !take(text, '+')) return std::nullopt;
        const auto oh = take_digits(text, 2);
        if (!oh || !take(text, ':')) return std::nullopt;
        const auto om = take_digits(text, 2);
        if (!om || *oh > 23 || *om > 59) return std::nullopt;
        offset = (hours{*oh} + minutes{*om}) * (west ? -1 : 1);
    }
    if (!text.empty()) return std::nullopt;
    return timestamp{sys_days{date} + hours{*h} + minutes{*mi} + seconds{*s} + microseconds{micros} - offset};
}

timestamp wall_clock()
{
    return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

}
