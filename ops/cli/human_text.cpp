#include "ops/cli/human_text.hpp"

#include "storage/model/time.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

namespace rowlock::ops {

std::size_t utf8_sequence_length(std::string_view text)
{
    if (text.empty()) return 0;
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto continues = [&](std::size_t i) { return i < text.size() && (at(i) & 0xC0) == 0x80; };
    const unsigned char c = at(0);
    if (c < 0x80) return 1;
    if (c >= 0xC2 && c <= 0xDF) return continues(1) ? 2 : 0;
    if (c >= 0xE0 && c <= 0xEF) {
        if (!continues(1) || !continues(2)) return 0;
        if (c == 0xE0 && at(1) < 0xA0) return 0;
        if (c == 0xED && at(1) > 0x9F) return 0;
        return 3;
    }
    if (c >= 0xF0 && c <= 0xF4) {
        if (!continues(1) || !continues(2) || !continues(3)) return 0;
        if (c == 0xF0 && at(1) < 0x90) return 0;
        if (c == 0xF4 && at(1) > 0x8F) return 0;
        return 4;
    }
    return 0;
}

std::string printable(std::string_view text)
{
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = utf8_sequence_length(text);
        const auto c = static_cast<unsigned char>(text.front());
        if (length == 0) out += '?';
        else if (c == '\n') out += "\\n";
        else if (c == '\t') out += ' ';
        else if (c < 0x20 || c == 0x7F) out += fmt::format("\\x{:02x}", c);
        else if (c == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[1]));
        else out.append(text.substr(0, length));
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return out;
}

std::size_t columns_of(std::string_view utf8)
{
    return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string shorten(std::string_view utf8, std::size_t columns, bool unicode)
{
    if (columns_of(utf8) <= columns) return std::string{utf8};
    const std::string_view mark = unicode ? "…" : "...";
    const std::size_t mark_columns = std::min(columns, columns_of(mark));
    std::size_t kept = 0;
    std::size_t end = 0;
    while (end < utf8.size()) {
        const bool starts = (static_cast<unsigned char>(utf8[end]) & 0xC0) != 0x80;
        if (starts && kept == columns - mark_columns) break;
        if (starts) ++kept;
        ++end;
    }
    return std::string{utf8.substr(0, end)} + std::string{unicode ? mark : mark.substr(0, mark_columns)};
}

std::string human_time(std::string_view rfc3339)
{
    const auto at = parse_rfc3339(rfc3339);
    if (!at) return std::string{rfc3339};
    std::string text = to_rfc3339(*at).substr(0, 19);
    text[10] = ' ';
    return text;
}

std::string human_duration(std::chrono::milliseconds length)
{
    const auto ms = std::max<std::int64_t>(length.count(), 0);
    if (ms < 1000) return fmt::format("{}ms", ms);
    if (ms < 60'000) return fmt::format("{}.{:02}s", ms / 1000, ms % 1000 / 10);
    const auto s = ms / 1000;
    if (s < 3600) return fmt::format("{}m{:02}s", s / 60, s % 60);
    if (s < 86'400) return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
    return fmt::format("{}d{:02}h", s / 86'400, s / 3600 % 24);
}

std::optional<std::chrono::milliseconds> time_between(std::string_view from, std::string_view to)
{
    const auto a = parse_rfc3339(from);
    const auto b = parse_rfc3339(to);
    if (!a || !b) return std::nullopt;
    return std::chrono::floor<std::chrono::milliseconds>(*b - *a);
}

std::string in_capitals(std::string text)
{
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return text;
}

std::string counted(std::size_t n, std::string_view noun)
{
    return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

}
