#include "runtime/handlers/readable.hpp"

#include <algorithm>

namespace rowlock::runtime {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";
constexpr std::string_view ellipsis = "\xE2\x80\xA6";

bool continues(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

// How the character at the front of `text` ends: its length, 0 if it is none, or `cut` if the text ends within it.
constexpr std::size_t cut = 5;

std::size_t character(std::string_view text)
{
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = at(0);
    if (first < 0x80) return first == 0 ? 0 : 1;
    // The narrower ranges of the second byte keep out overlong forms, surrogates and what lies beyond U+10FFFF (Unicode, table 3-7).
    std::size_t length = 0;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) length = 2;
    else if (first >= 0xe0 && first <= 0xef) length = 3;
    else if (first >= 0xf0 && first <= 0xf4) length = 4;
    else return 0;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
    if (text.size() < 2) return cut;
    if (at(1) < low || at(1) > high) return 0;
    for (std::size_t i = 2; i < length; ++i) {
        if (i >= text.size()) return cut;
        if (!continues(at(i))) return 0;
    }
    return length;
}

// Appends what is readable of `text`, and returns what its end cuts off.
std::string_view append(std::string& out, std::string_view text)
{
    while (!text.empty()) {
        const std::size_t length = character(text);
        if (length == cut) return text;
        if (length == 0) out += replacement;
        else out += text.substr(0, length);
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return text;
}

}

std::string readable_stream::feed(std::string_view bytes)
{
    std::string out;
    out.reserve(bytes.size() + tail_.size());
    if (tail_.empty()) {
        tail_ = append(out, bytes);
    } else {
        const std::string joined = tail_ + std::string(bytes);
        tail_ = append(out, joined);
    }
    return out;
}

std::string readable_stream::finish()
{
    if (tail_.empty()) return {};
    tail_.clear();
    return std::string(replacement);
}

std::string readable(std::string_view bytes, std::size_t most)
{
    readable_stream stream;
    // Four bytes more than fit are enough to know that it has to be cut.
    std::string text = stream.feed(bytes.substr(0, std::min(bytes.size(), most + 4)));
    text += stream.finish();
    if (text.size() <= most && bytes.size() <= most) return text;
    std::size_t end = most > ellipsis.size() ? most - ellipsis.size() : 0;
    end = std::min(end, text.size());
    while (end > 0 && end < text.size() && continues(static_cast<unsigned char>(text[end]))) --end;
    text.resize(end);
    text += ellipsis;
    return text;
}

}
