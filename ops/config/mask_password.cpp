#include "ops/config/settings_table.hpp"

#include <algorithm>
#include <cctype>

namespace rowlock::ops {

namespace {

constexpr std::string_view mask = "***";

// Masks the value of each `password=` (or `sslpassword=`) up to one of `ends`; quoted values (libpq's keyword form) as a whole.
std::string mask_assignments(std::string text, std::string_view ends)
{
    constexpr std::string_view word = "password";
    for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at)) {
        std::size_t start = at + word.size();
        while (start < text.size() && text[start] == ' ') ++start;
        if (start >= text.size() || text[start] != '=') {
            at += word.size();
            continue;
        }
        ++start;
        while (start < text.size() && text[start] == ' ') ++start;
        std::size_t end = start;
        if (start < text.size() && text[start] == '\'') {
            for (++end; end < text.size() && text[end] != '\''; ++end) {
                if (text[end] == '\\') ++end;
            }
            end = std::min(end + 1, text.size());
        } else {
            // A backslash escapes the character behind it, a space included.
            for (; end < text.size() && ends.find(text[end]) == std::string_view::npos; ++end) {
                if (text[end] == '\\') ++end;
            }
            end = std::min(end, text.size());
        }
        text.replace(start, end - start, mask);
        at = start + mask.size();
    }
    return text;
}

}

std::string mask_password(std::string_view database)
{
    std::string text(database);
    const auto scheme = text.find("://");
    if (scheme == std::string::npos) return mask_assignments(std::move(text), " \t\n");
    const std::size_t start = scheme + 3;
    // Up to the last @ before the path: a password may hold an @ that should have been written %40.
    const std::size_t authority_end = std::min(text.find_first_of("/?", start), text.size());
    const std::size_t at = text.rfind('@', authority_end);
    if (at != std::string::npos && at >= start) {
        const std::size_t colon = text.find(':', start);
        if (colon < at) text.replace(colon + 1, at - colon - 1, mask);
    }
    return mask_assignments(std::move(text), "&#");
}

}
