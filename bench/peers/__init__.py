"""What the gateway is compared with: programs that each do one part of its work as simply as can be, or as is usual."""
