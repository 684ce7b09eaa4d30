#pragma once

#include <string>

namespace rowlock::storage {

// Null for libpqxx where there is no text.
inline const char* or_null(const std::string& text)
{
    return text.empty() ? nullptr : text.c_str();
}

}
