#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rowlock::runtime {

// RFC 4648 §4, with padding. Pure.
std::string to_base64(std::string_view bytes);

// nullopt for anything but whole groups of the standard alphabet with their padding; line breaks are not accepted either.
std::optional<std::string> from_base64(std::string_view text);

}
