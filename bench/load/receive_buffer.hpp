#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace rowlock::bench {

// What has come over a connection and is not used up. Keeps its memory, and never clears it: that would cost more than a small answer itself.
class receive_buffer {
public:
    // A place for the next `n` bytes, until the next call of anything here.
    std::span<char> room(std::size_t n)
    {
        if (begin_ > 0) {
            std::memmove(bytes_.data(), bytes_.data() + begin_, end_ - begin_);
            end_ -= begin_;
            begin_ = 0;
        }
        if (bytes_.size() < end_ + n) bytes_.resize(end_ + n);
        return std::span(bytes_).subspan(end_, n);
    }
    void came(std::size_t n) { end_ += n; }
    void use(std::size_t n) { begin_ += n; }
    std::string_view bytes() const { return {bytes_.data() + begin_, end_ - begin_}; }

private:
    std::vector<char> bytes_{};
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

}
