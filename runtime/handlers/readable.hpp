#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace rowlock::runtime {

// Turns the bytes a program writes into text that every reader takes: UTF-8 without NUL. A byte that is neither becomes U+FFFD.
// A character that is cut by the end of one piece is finished by the next.
class readable_stream {
public:
    std::string feed(std::string_view bytes);
    // What is left of a character that never ended.
    std::string finish();

private:
    std::string tail_;                               // at most three bytes
};

// The same for one text, of at most `most` bytes; what is longer is cut at a character's end, with an ellipsis.
std::string readable(std::string_view bytes, std::size_t most);

}
