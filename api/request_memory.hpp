#pragma once

#include "api/budget.hpp"

#include <algorithm>
#include <boost/json/memory_resource.hpp>
#include <new>

namespace rowlock::api {

// The memory that one connection's request takes beyond what every connection may have: its body, and the blocks that the parsed body
// lies in, which it allocates. All of it is counted in the server's budget before it is used.
class request_memory final : public boost::json::memory_resource {
public:
    // So much of a body is not counted, so that ordinary requests touch nothing that cores share.
    static constexpr std::size_t uncounted = 8 * 1024;

    explicit request_memory(budget& of) noexcept : share_(of) {}

    // The buffers of the body have `bytes` now. False: that is too much, and they must be given up.
    bool hold_buffers(std::size_t bytes) noexcept
    {
        const std::size_t counted = bytes > uncounted ? bytes : 0;
        if (!share_.resize(parsed_ + counted)) return false;
        buffers_ = counted;
        return true;
    }
    // Would so much more find room now?
    bool has_room_for(std::size_t more) const noexcept
    {
        const auto& whole = share_.whole();
        return more <= uncounted || more <= whole.most() - std::min(whole.taken(), whole.most());
    }
    // Would all of `bytes`, if nobody else had anything?
    bool could_have(std::size_t bytes) const noexcept { return bytes <= uncounted || bytes <= share_.whole().most(); }
    // Was the last allocation that failed one that would have failed without others too?
    bool was_too_large() const noexcept { return was_too_large_; }

private:
    // Throws std::bad_alloc where the budget is used up.
    void* do_allocate(std::size_t size, std::size_t alignment) override
    {
        if (!share_.resize(buffers_ + parsed_ + size)) {
            was_too_large_ = buffers_ + parsed_ + size > share_.whole().most();
            throw std::bad_alloc();
        }
        void* block = ::operator new(size, std::align_val_t(alignment));
        parsed_ += size;
        ++blocks_;
        return block;
    }
    void do_deallocate(void* p, std::size_t, std::size_t alignment) override
    {
        ::operator delete(p, std::align_val_t(alignment));
        // Boost 1.81 gives a block back as smaller than it asked for, by its header; but it gives all of them back at once.
        if (--blocks_ > 0) return;
        parsed_ = 0;
        share_.resize(buffers_);
    }
    bool do_is_equal(const boost::json::memory_resource& other) const noexcept override { return this == &other; }

    share share_;
    std::size_t buffers_ = 0;
    std::size_t parsed_ = 0;
    std::size_t blocks_ = 0;                         // that the parsed body lies in
    bool was_too_large_ = false;
};

}
