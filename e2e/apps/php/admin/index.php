<?php echo "PAGE-ADMIN";
