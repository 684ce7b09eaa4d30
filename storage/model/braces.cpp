#include "storage/model/braces.hpp"

namespace rowlock {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view text)
{
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

}

std::optional<braces> next_braces(std::string_view text, std::size_t from)
{
    auto open = text.find("{{", from);
    if (open == std::string_view::npos) return std::nullopt;
    while (text.substr(open + 2).starts_with('{')) ++open;
    const auto close = text.find("}}", open + 2);
    if (close == std::string_view::npos) return std::nullopt;
    return braces{open, close + 2, trimmed(text.substr(open + 2, close - open - 2))};
}

}
