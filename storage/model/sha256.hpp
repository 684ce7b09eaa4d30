#pragma once

#include <string>
#include <string_view>

namespace rowlock {

// 64 hexadecimal digits in lower case.
std::string sha256_hex(std::string_view bytes);

}
